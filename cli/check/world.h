// What was read of a cluster: all that `check` and `status` judge by.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/check/fleet.h"
#include "cli/check/json_at.h"

namespace meshauth::cli::check {

/// read is false where it could not be read; World::problems has why.
template <class T>
struct Known {
  bool read = false;
  T value{};
};
using One = Known<std::optional<nlohmann::json>>;  ///< no value: there is no such object
using Many = Known<std::vector<nlohmann::json>>;

struct Problem {
  std::string verb{}, resource{};  ///< list, pods
  std::string where{};             ///< "in all namespaces", "in namespace shop", or an object's name
  bool forbidden = false;
  std::string message{};  ///< of others than forbidden
};

/// A kind of another group that kubectl may mean by one of our names.
struct ForeignName {
  std::string group, plural, name;  ///< name: ours that it shares, the plural or a short name
};

struct World {
  std::string server;           ///< URL
  std::string server_version;   ///< v1.36.0
  std::string program_version;  ///< ours
  std::string operator_ns;
  std::string ns;  ///< the one looked at; empty: all

  Time now{};                   ///< our clock
  std::optional<Seconds> skew;  ///< the API server's clock minus ours
  Seconds skew_error{0};        ///< how far that may be off
  Time cluster_now() const { return now + skew.value_or(Seconds(0)); }

  std::vector<Problem> problems;
  std::vector<std::string> cut;  ///< what there was more of than is read
  bool out_of_time = false;
  Seconds timeout{0};

  std::map<std::string, One> crds;  ///< by name
  std::vector<ForeignName> foreign;
  One deployment, lease, webhooks;
  std::map<std::string, Many> endpoints;  ///< EndpointSlices of the webhooks' Services, by namespace/name
  std::map<std::string, One> trust;       ///< ConfigMap meshauth.trust by namespace
  Many providers, policies;
  Many pods;        ///< of workloads, as pod_of() keeps them
  Many injectable;  ///< pods that are to be injected, likewise

  std::optional<Fleet> fleet;
  std::string fleet_problem;  ///< why there is none; empty where World::problems has it
};

/// Of a pod what is looked at: names, labels, dates, node, phase, containers' names and images.
nlohmann::json pod_of(const nlohmann::json& pod);

}  // namespace meshauth::cli::check
