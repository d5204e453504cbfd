// Keeps a store equal to what the API server has of one kind, in a thread of its own.
#pragma once

#include <functional>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>

#include "operator/kube/api_client.h"
#include "operator/kube/backoff.h"
#include "operator/kube/clock.h"
#include "operator/kube/store.h"
#include "operator/kube/watch_machine.h"

namespace meshauth::kube {

struct ReflectorOptions {
  Resource resource;
  Selection selection{};
  bool metadata_only = false;  ///< PartialObjectMetadata: no spec, no status
  /// What the store keeps of each object; empty: all. The result has what metadata the store needs (namespace, name,
  /// resourceVersion).
  std::function<nlohmann::json(const nlohmann::json& object)> reduce{};
  int page_limit = 500;
  std::chrono::seconds shortest_watch{300};                     ///< the server ends a watch after once to twice this
  std::chrono::milliseconds idle{150'000};                      ///< bookmarks come each minute
  BackoffOptions backoff{.longest = std::chrono::seconds(10)};  ///< short: a stale view costs more than a request
};

class Reflector {
 public:
  struct Health {
    bool synced = false;
    bool following = false;    ///< a watch is open, or one was and is being taken up again
    std::string last_error{};  ///< why not, as a sentence with a remedy; "" while following
  };

  /// on_error runs in the reflector's thread for each failure that is a new one (for the log).
  Reflector(ReflectorOptions options, const ApiClient& api, Store& store, http::Metrics& metrics,
            Clock& clock = system_clock(), Random random = system_random(),
            std::function<void(const std::string&)> on_error = {});
  /// Stops and waits for the thread: milliseconds, whatever the API server does.
  ~Reflector();

  void start();
  void stop();
  Health health() const;

 private:
  struct Counters;
  enum class Pace { Now, AfterBackoff };

  void run(const std::stop_token& stop);
  Pace visit_page(const WatchMachine::GetPage& command, const std::stop_token& stop);
  Pace visit_watch(const WatchMachine::OpenWatch& command, const std::stop_token& stop);
  Pace write(WatchMachine::Effect effect);
  Object reduced(Object object) const;
  Pace failed(const std::string& message);
  Pace expired(const std::string& message);
  void following();

  const ReflectorOptions options_;
  const ApiClient& api_;
  Store& store_;
  Clock& clock_;
  const Random random_;
  const std::function<void(const std::string&)> on_error_;
  std::unique_ptr<Counters> counters_;

  // Of the thread alone.
  WatchMachine machine_;
  unsigned failures_ = 0;  // since the last progress
  bool listed_ = false;    // the first watch is no restart

  mutable std::mutex mutex_;
  Health health_;  // guarded by mutex_
  std::jthread thread_;
};

}  // namespace meshauth::kube
