// Reads that fail become problems of the World, each with what was to be read.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "cli/check/gather.h"

namespace meshauth::cli::check {

class Reader {
 public:
  using Keep = std::function<nlohmann::json(const nlohmann::json&)>;  ///< what is kept of an object

  Reader(const kube::ApiClient& api, World& world, std::stop_token stop)
      : api_(api), world_(world), stop_(std::move(stop)) {}

  One get(const kube::Resource& resource, std::string_view ns, std::string_view name);
  /// 404: the kind is not there; an empty list.
  Many list(const kube::Resource& resource, const kube::Selection& selection, const Keep& keep = {});
  /// what: for the problem, as {"get", "services/proxy", "NAME"}. nullopt: it failed. absent: 404 is no problem.
  std::optional<http::Response> raw(const std::string& path, std::size_t most, const Problem& what,
                                    bool absent_is_fine = false);

  const std::stop_token& stop() const { return stop_; }

 private:
  bool out_of_time();
  void failed(Problem what, const kube::ApiError& error);

  const kube::ApiClient& api_;
  World& world_;
  const std::stop_token stop_;
};

}  // namespace meshauth::cli::check
