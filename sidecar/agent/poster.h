// What the agent tells the operator: its last ack, and at most one report a second. Kept until it was taken.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/bundle/wire.h"
#include "core/engine/worker_report.h"
#include "operator/asio/asio.h"
#include "sidecar/agent/stream.h"

namespace meshauth::agent {

/// Adds up what the workers count, bounded: decisions over the bound are counted without their rule's name, then not.
class ReportSum {
 public:
  void add(const engine::WorkerReport& report);
  void set_skew(double seconds) { skew_ = seconds; }
  void set_trust(bundle::TrustReport trust) { trust_ = std::move(trust); }
  bool empty() const { return kids_.empty() && decisions_.empty() && !trust_; }
  /// Takes as much as one report may hold.
  bundle::Report take();
  void give_back(const bundle::Report& report);

 private:
  void add(const std::string& source, const std::string& kid);
  void add(const bundle::DecisionCount& decision);
  using Key = std::tuple<bool, std::string, std::string, std::string, std::string, std::string, std::string>;

  static constexpr std::size_t kMostDecisions = 2048;
  static constexpr std::size_t kMostKidSources = 256;

  std::map<Key, std::uint64_t> decisions_;
  std::map<std::string, std::string> kids_;  ///< by key source: the last one, so that no source crowds out another
  std::optional<double> skew_;
  std::optional<bundle::TrustReport> trust_;
};

/// On the thread of the io_context. Uses one connection for as long as it lasts.
class Poster {
 public:
  Poster(net::asio::io_context& io, const Dialer& dialer);

  void start();
  void stop();
  /// The newest one counts; one before that was not sent yet is not sent any more.
  void ack(const bundle::Ack& ack);
  ReportSum& reports() { return reports_; }
  /// There is something in reports().
  void wake();
  /// Nothing is sent while the operator is not there.
  void set_up(bool up);

 private:
  net::Task<> run();
  net::Task<bool> send_what_is_due();
  net::Task<Status> post(std::string verb, std::string body);
  net::Task<Status> post_once(const std::string& verb, const std::string& body);
  net::Task<> pause(std::chrono::steady_clock::time_point until);

  net::asio::io_context& io_;
  const Dialer& dialer_;
  net::asio::steady_timer timer_;
  std::optional<bundle::Ack> ack_;
  ReportSum reports_;
  Dialer::Connected connection_;
  std::chrono::steady_clock::time_point next_report_{};
  bool up_ = false;
  bool stopped_ = false;
};

}  // namespace meshauth::agent
