// What runs in both modes: index, reconciles, fleet, fetch loops. The modes differ in where objects come from and where
// records go.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "operator/app/health.h"
#include "operator/app/mesh_keys.h"
#include "operator/app/operator_world.h"
#include "operator/app/options.h"
#include "operator/controllers/controllers.h"
#include "operator/controllers/index.h"
#include "operator/controllers/recorder.h"
#include "operator/controllers/workers.h"
#include "operator/fleet/authenticator.h"
#include "operator/fleet/server.h"
#include "operator/http/metrics.h"
#include "operator/idp/key_sources.h"

namespace meshauth::app {

/// plan's settings from the flags; reads the templates. Errors: no templates.
Result<plan::MeshSettings> mesh_settings(const Options& options);

/// What others may call this program: its Service, and names for development.
std::vector<std::string> certificate_names(const Options& options);

/// A server certificate for those names, which ends with its authority at the latest. Errors: the authority's fault.
Result<fleet::Certificate> issue_certificate(const fleet::Certificate& authority, const Options& options,
                                             std::chrono::seconds lifetime);

/// The fleet's listener, which answers 503 until a runtime leads. Errors: the address.
Result<std::unique_ptr<fleet::FleetServer>> start_fleet(const Options& options, const MeshKeys& keys,
                                                        std::shared_ptr<fleet::Authenticator> authenticator,
                                                        fleet::FleetHandlers handlers, http::Metrics& metrics,
                                                        FleetPage& page);

class Runtime {
 public:
  struct Parts {
    std::unique_ptr<fleet::FleetServer> fleet;
    idp::FetchClusterKeys cluster_keys;  ///< empty: standalone
    FleetPage& page;                     ///< outlives the runtime
  };

  /// index and recorder outlive the runtime.
  static std::unique_ptr<Runtime> make(const Options& options, const MeshKeys& keys, std::uint64_t term,
                                       controllers::Index& index, controllers::Recorder& recorder, Parts parts,
                                       http::Metrics& metrics);
  ~Runtime();
  Runtime(const Runtime&) = delete;

  controllers::Controllers& controllers() { return *controllers_; }
  fleet::FleetServer& fleet() { return *fleet_; }

  /// Signs the fleet's certificate from now on; connections that are open stay.
  void set_authority(fleet::Certificate authority);
  /// Is the certificate that new connections get of this authority?
  bool certified_by(const fleet::Certificate& authority) const;

  /// Begins to reconcile and to serve streams: once the index knows all that there was.
  void lead();
  /// Ends reconciles, fetches and streams. The controllers stay, for calls that come late.
  void stop();

 private:
  Runtime(const Options& options, const MeshKeys& keys, std::uint64_t term, controllers::Index& index,
          controllers::Recorder& recorder, FleetPage& page, http::Metrics& metrics);
  void export_counts(http::Metrics& metrics);
  void keep_certificate(const std::stop_token& stop);
  void renew_certificate();

  const Options options_;
  controllers::Index& index_;
  http::Metrics& metrics_;
  FleetPage& page_;
  OperatorWorld world_;
  controllers::KeyQueue queue_;
  controllers::DecisionMetrics decisions_;
  std::unique_ptr<controllers::Controllers> controllers_;
  std::unique_ptr<fleet::FleetServer> fleet_;
  std::unique_ptr<idp::KeySources> sources_;
  std::unique_ptr<controllers::Workers> workers_;
  mutable std::mutex certificate_mutex_;
  std::condition_variable_any certificate_changed_;
  // Guarded by certificate_mutex_.
  fleet::Certificate authority_;
  std::string certified_by_;  ///< the authority of the certificate in use, as PEM
  std::chrono::steady_clock::time_point renew_at_{};
  std::jthread certificates_;
  http::Metrics::Hook counts_hook_;
};

}  // namespace meshauth::app
