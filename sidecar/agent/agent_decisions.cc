// Flavour AuthRequest: the agent decides, nginx's workers say nothing of themselves.
#include <algorithm>

#include "operator/log/log.h"
#include "sidecar/agent/agent_impl.h"
#include "sidecar/agent/stock_workers.h"

namespace meshauth::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto kBusyLook = 20ms;  // while a bundle is on its way, or nginx starts
constexpr auto kIdleLook = 1000ms;

}  // namespace

Status Agent::Impl::open_decisions() {
  Decisions::Heard heard;
  heard.swapped = [this](double swap_ms) {
    log::debug("the engine runs a revision", {{"revision", decisions_->revision()}});
    note_stock_workers(swap_ms);
  };
  heard.refused = [this](const std::string& revision, const std::string& detail) {
    applier_->engine_refused(revision, detail);
  };
  heard.counted = [this](const engine::WorkerReport& report) {
    poster_.reports().add(report);
    if (!poster_.reports().empty()) poster_.wake();
  };
  auto decisions = Decisions::start(io_, options_, nginx_.decision_socket(), std::move(heard));
  if (!decisions) return tl::unexpected(decisions.error());
  decisions_ = std::move(*decisions);
  return {};
}

void Agent::Impl::watch_stock_workers() {
  note_stock_workers(0);
  const auto state = applier_->state();
  const bool applying = state != ApplyState::Idle && state != ApplyState::Behind;
  const bool starting = !decisions_->revision().empty() && !applier_->was_ready();
  stock_look_.expires_after(applying || starting ? kBusyLook : kIdleLook);
  stock_look_.async_wait([this](net::error_code error) {
    if (!error) watch_stock_workers();
  });
}

// Each worker is as far as the engine; its auth.conf is the installed one if it started after that was installed.
void Agent::Impl::note_stock_workers(double swap_ms) {
  const auto workers = stock_workers(nginx_.pid());
  const auto is_new = [this](const StockWorker& worker) { return worker.started >= nginx_.installed_since(); };
  const bool all_new = !workers.empty() && std::all_of(workers.begin(), workers.end(), [&](const StockWorker& worker) {
    return worker.draining || is_new(worker);
  });
  if (all_new && decisions_->auth_conf() == nginx_.installed()) decisions_->settle();
  for (const StockWorker& worker : workers) {
    engine::WorkerReport report;
    report.event = swap_ms > 0 ? engine::WorkerEvent::swapped : engine::WorkerEvent::counters;
    report.pid = worker.pid;
    report.started = worker.started.count();
    report.revision = decisions_->revision();
    report.auth_conf = is_new(worker) ? nginx_.installed() : "";
    report.draining = worker.draining;
    report.swap_ms = swap_ms;
    applier_->note(report);
  }
}

}  // namespace meshauth::agent
