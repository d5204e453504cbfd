// The agent's own engine in the place of the module's workers (flavour AuthRequest): watches the bundle's folder as
// they do, parses here, and hands what is new to the thread that decides.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sidecar/agent/decision_server.h"
#include "sidecar/agent/watch.h"
#include "sidecar/nginx/bundle_folder.h"
#include "sidecar/nginx/watched.h"

namespace meshauth::agent {

/// On the thread of the io_context, its callbacks too.
class Decisions {
 public:
  struct Heard {
    std::function<void(double swap_ms)> swapped;  ///< revision() decides from now on
    std::function<void(const std::string& revision, const std::string& detail)> refused;
    std::function<void(const engine::WorkerReport&)> counted;  ///< counters and unknown keys
  };

  /// Reads what is in the folder, then listens at `socket`. Errors: a flag, or a socket that cannot be made.
  static Result<std::unique_ptr<Decisions>> start(net::asio::io_context& io, const Options& options,
                                                  const std::string& socket, Heard heard);

  const std::string& revision() const { return revision_; }    ///< empty: none, every request is refused
  const std::string& auth_conf() const { return auth_conf_; }  ///< digest of the one that it was rendered with
  /// Every nginx worker that takes connections has that auth.conf.
  void settle();

 private:
  Decisions(net::asio::io_context& io, const Options& options, const DeciderOptions& decider, Heard heard);
  void look();
  void look_at_bundle();
  void look_at_fresh();
  void take(std::unique_ptr<engine::Snapshot> snapshot);

  net::asio::io_context& io_;
  Heard heard_;
  nginx::BundleFolder folder_;
  nginx::Watched<nginx::BundleStamp> watched_bundle_;
  nginx::Watched<nginx::FreshStamp> watched_fresh_;
  FolderWatch watch_;
  std::string revision_, auth_conf_;
  bool settled_ = true;
  std::unique_ptr<DecisionServer> server_;
};

}  // namespace meshauth::agent
