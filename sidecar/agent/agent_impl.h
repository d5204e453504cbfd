// Everything that the agent consists of, on one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sidecar/agent/agent.h"
#include "sidecar/agent/applier.h"
#include "sidecar/agent/decisions.h"
#include "sidecar/agent/health.h"
#include "sidecar/agent/poster.h"
#include "sidecar/agent/stream.h"
#include "sidecar/agent/watch.h"

namespace meshauth::agent {

class Agent::Impl {
 public:
  explicit Impl(Options options);

  Status prepare();
  int run();

 private:
  // Starting and ending.
  Status open_folder();
  Status open_socket();
  Status test_configuration(std::optional<bundle::Bundle>& current);
  void serve_metadata();
  void wait_for_signal();
  void wait_for_drain();
  void shut_down(bool graceful);

  // From the operator.
  void on_event(const ServerEvent& event);
  void on_bundle(const ServerEvent& event);
  void on_ping(const ServerEvent& event);
  Result<bundle::Bundle> assemble(const bundle::BundleEvent& event);
  void refuse(const std::string& revision, const std::string& detail);

  // From the mounted folder.
  void look_at_fallback();
  bool is_fallback_due(const std::string& manifest, const std::string& signature, const bundle::Trust& trust);

  // From the workers.
  void receive_reports();

  // In their place, before a stock nginx.
  bool decides() const { return options_.flavour == model::Flavour::AuthRequest; }
  Status open_decisions();
  void watch_stock_workers();
  void note_stock_workers(double swap_ms);

  Result<bundle::Trust> read_trust() const;
  void watch_trust();
  void look_at_trust();
  bool is_signed_better(const bundle::Bundle& bundle, const bundle::Trust& trust) const;
  void take_fresh(const std::string& json, const std::string& signature);
  HealthAnswer answer(std::string_view path);
  net::Task<HealthAnswer> probe(std::string name);
  bool ready();
  std::string status_json();

  Options options_;
  net::asio::io_context io_{1};
  net::asio::signal_set signals_{io_};
  net::asio::signal_set drain_{io_};
  Processes processes_{io_};
  Dialer dialer_{options_};
  Poster poster_{io_, dialer_};
  Nginx nginx_;
  std::unique_ptr<Applier> applier_;
  StreamClient stream_;
  std::optional<FolderWatch> fallback_;
  std::string fallback_seen_;  ///< manifest, signature and trust that were looked at last: said once
  std::optional<std::chrono::steady_clock::time_point> fallback_ahead_;  ///< since when, of a stream that is up
  net::asio::steady_timer fallback_wait_{io_};
  std::optional<FolderWatch> trust_watch_;
  bundle::TrustReport trust_told_;
  std::string trust_trouble_;  ///< said once
  bool is_refused_ = false;    ///< the last bundle of the stream: with another trust it may be a good one
  std::unique_ptr<HealthServer> health_;
  net::asio::local::datagram_protocol::socket reports_{io_};
  std::string report_buffer_;
  std::unique_ptr<Decisions> decisions_;  ///< null: nginx has our module
  net::asio::steady_timer stock_look_{io_};
  bool stopping_ = false;
  int exit_code_ = 0;
};

}  // namespace meshauth::agent
