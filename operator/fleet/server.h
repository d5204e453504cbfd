// The fleet server: streams of bundles to the sidecars, their acks and reports back. HTTPS, HTTP/1.1.
//
//   GET  /v1/workloads/{namespace}/{name}/stream   text/event-stream; Last-Event-ID is the revision held
//   POST /v1/workloads/{namespace}/{name}/ack      core/bundle/wire.h: Ack     -> 204
//   POST /v1/workloads/{namespace}/{name}/report   core/bundle/wire.h: Report  -> 204
//
// Each with `Authorization: Bearer TOKEN`. Answers that are no success are {"error": "..."}: 400 401 403 404 405 413,
// and 503 with Retry-After while this is not the leader or tokens cannot be checked.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "core/bundle/bundle.h"
#include "core/bundle/wire.h"
#include "operator/fleet/authenticator.h"

namespace prometheus {
class Registry;
}

namespace meshauth::fleet {

struct FleetOptions {
  std::string listen = "0.0.0.0:8443";  ///< ADDRESS:PORT or [ADDRESS]:PORT; port 0 takes a free one
  std::string certificate_pem;
  std::string key_pem;
  std::size_t reviews = 8;                          ///< tokens judged at once, 1 to 32
  std::size_t max_connections = 25'000;             ///< a stream and a connection for acks for each of 10,000, and some
  std::chrono::milliseconds ping_interval{15'000};  ///< agents redial after three
  std::chrono::milliseconds write_timeout{30'000};  ///< a stream that takes nothing for this long is closed
  std::chrono::milliseconds request_timeout{15'000};  ///< for the handshake and for each request to arrive
};

struct SidecarAck {
  std::string pod;       ///< namespace/name
  std::string workload;  ///< namespace/name
  bundle::Ack ack;
};

struct SidecarReport {
  std::string pod;
  std::string workload;
  bundle::Report report;
};

/// Called on the server's thread, one at a time: quick, and never into the server's destructor.
/// Each may be left empty.
struct FleetHandlers {
  std::function<void(const SidecarAck&)> on_ack;
  std::function<void(const SidecarReport&)> on_report;
  std::function<void(const std::string& pod, const std::string& workload)> on_connect;
  /// Also for each open stream when the server ends. A pod that redials may be connected before it is disconnected.
  std::function<void(const std::string& pod, const std::string& workload)> on_disconnect;
};

/// One thread for all connections. Every function may be called from any thread; none waits for a sidecar.
class FleetServer {
 public:
  /// Errors: an address that is no address, a port that is taken, PEM that does not read.
  static Result<std::unique_ptr<FleetServer>> start(FleetOptions options, std::shared_ptr<Authenticator> authenticator,
                                                    FleetHandlers handlers, prometheus::Registry& registry);
  ~FleetServer();
  FleetServer(const FleetServer&) = delete;
  FleetServer& operator=(const FleetServer&) = delete;

  std::uint16_t port() const;

  /// The newest bundle of a workload (namespace/name): to each of its open streams at once, to others as they come.
  void publish(std::string workload, std::shared_ptr<const bundle::Bundle> bundle);
  /// There is nothing to say to this workload any more; its streams stay open.
  void withdraw(std::string workload);
  /// What pings carry: fresh.json and the base64 of its signature. An empty workload: for all without their own.
  void set_fresh(std::string workload, std::string json, std::string signature);
  /// The pod is gone, or is of another workload now: its streams close and its tokens are judged anew.
  void pod_closed(std::string pod);
  /// Off at the start. Not the leader: streams close, and requests are answered 503.
  void set_leader(bool leader);
  /// For connections from now on. Errors: as in start.
  Status set_certificate(const std::string& certificate_pem, const std::string& key_pem);

 private:
  struct Impl;
  explicit FleetServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace meshauth::fleet
