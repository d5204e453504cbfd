#include "sidecar/agent/applier.h"

#include <signal.h>

#include "operator/log/log.h"

namespace meshauth::agent {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto kLook = 250ms;  // how often dead workers are looked for while we wait

double milliseconds_since(steady_clock::time_point then) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - then).count();
}

const std::string& auth_conf(const std::optional<bundle::Bundle>& bundle) {
  static const std::string none;
  return bundle ? bundle->files.at("auth.conf") : none;
}

bool alive(std::int64_t pid) {
  return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM;
}

}  // namespace

Applier::Applier(net::asio::io_context& io, BundleFolder folder, Nginx& nginx, std::size_t worker_count,
                 ApplyLimits limits, SendAck send_ack, std::optional<bundle::Bundle> current)
    : io_(io),
      folder_(std::move(folder)),
      nginx_(nginx),
      workers_(alive),
      worker_count_(worker_count),
      limits_(limits),
      send_ack_(std::move(send_ack)),
      timer_(io),
      current_(std::move(current)),
      highest_(folder_.highest_epoch()) {
  if (current_ && highest_ < current_->manifest.epoch) highest_ = current_->manifest.epoch;
}

void Applier::on_switch(std::function<void(const bundle::Bundle&)> told) {
  told_ = std::move(told);
  if (told_ && current_) told_(*current_);
}

Status Applier::offer(bundle::Bundle bundle) {
  const auto& manifest = bundle.manifest;
  if (order_of(revision(), highest_, manifest) == Order::Stale) {
    return fail("bundle {} has epoch {}.{}, older than {}.{}, which was seen here already", manifest.revision,
                manifest.epoch.term, manifest.epoch.sequence, highest_.term, highest_.sequence);
  }
  if (highest_ < manifest.epoch) {
    if (const auto written = folder_.set_highest_epoch(manifest.epoch); !written) return written;
    highest_ = manifest.epoch;
  }
  offered_ = bundle;
  if (state_ == ApplyState::Idle || state_ == ApplyState::Behind) {
    postponed_.reset();  // older than this one
    take(std::move(bundle));
  } else {
    postponed_ = std::move(bundle);
  }
  return {};
}

void Applier::take(bundle::Bundle bundle) {
  candidate_ = std::move(bundle);
  failure_.clear();
  is_switched_ = false;
  is_reloaded_ = false;
  began_ = steady_clock::now();
  const bool same = bundle::auth_conf_digest(auth_conf(candidate_)) == nginx_.installed();
  fire(same ? ApplyEvent::Offer : ApplyEvent::OfferNewAuthConf);
}

void Applier::fire(ApplyEvent event) {
  const auto taken = step(state_, event);
  if (!taken) return;
  state_ = taken->next;
  for (const ApplyAction action : taken->actions) carry_out(action);
  check_workers();
}

void Applier::carry_out(ApplyAction action) {
  switch (action) {
    case ApplyAction::Postpone:
      return;  // offer() has kept it
    case ApplyAction::Write:
      return write();
    case ApplyAction::Test:
      return test();
    case ApplyAction::Discard:
      if (candidate_) folder_.discard(candidate_->manifest.revision);
      return;
    case ApplyAction::Install:
      return install();
    case ApplyAction::Switch:
      return switch_link();
    case ApplyAction::Reload:
      return reload();
    case ApplyAction::SwitchBack:
      return switch_back();
    case ApplyAction::InstallBack:
      return install_back();
    case ApplyAction::StartTimer:
      return start_timer();
    case ApplyAction::StopTimer:
      timer_.cancel();
      return;
    case ApplyAction::Prune:
      return folder_.prune(revision(), previous_ ? previous_->manifest.revision : "");
    case ApplyAction::AckApplied:
      return ack(bundle::Outcome::Applied);
    case ApplyAction::AckRefused:
      return ack(bundle::Outcome::Refused);
    case ApplyAction::AckTimeout:
      return ack(bundle::Outcome::Timeout);
    case ApplyAction::TakeNext:
      if (postponed_) {
        // Not from within: this step's work ends first.
        net::asio::post(io_, [this] {
          if (!postponed_ || (state_ != ApplyState::Idle && state_ != ApplyState::Behind)) return;
          auto next = std::move(*postponed_);
          postponed_.reset();
          take(std::move(next));
        });
      }
      return;
  }
}

void Applier::write() {
  if (const auto written = folder_.write(*candidate_); !written) failure_ = written.error().message;
}

void Applier::test() {
  if (!failure_.empty()) {
    return net::asio::post(io_, [this] { fire(ApplyEvent::TestFailed); });
  }
  nginx_.test(auth_conf(candidate_), [this](const Status& status) {
    if (!status) failure_ = status.error().message;
    fire(status ? ApplyEvent::TestPassed : ApplyEvent::TestFailed);
  });
}

void Applier::install() {
  if (const auto done = nginx_.install(auth_conf(candidate_)); !done) failure_ = done.error().message;
}

void Applier::switch_link() {
  if (!failure_.empty()) return net::asio::post(io_, [this] { fire(ApplyEvent::Refused); });
  if (const auto moved = folder_.point(candidate_->manifest.revision); !moved) {
    failure_ = moved.error().message;
    return net::asio::post(io_, [this] { fire(ApplyEvent::Refused); });
  }
  if (revision() != candidate_->manifest.revision) {
    previous_ = std::move(current_);
    is_switched_ = true;
  }
  current_ = candidate_;
  if (told_) told_(*current_);
}

void Applier::reload() {
  is_reloaded_ = true;
  nginx_.reload();
}

void Applier::switch_back() {
  if (!is_switched_) return;  // the link names what it named before
  is_switched_ = false;
  const auto to = previous_ ? previous_->manifest.revision : std::string();
  if (const auto moved = folder_.point(to); !moved) {
    log::error("the bundle before cannot be put back", {{"error", moved.error()}});
    return;
  }
  current_ = std::move(previous_);
  previous_.reset();
  if (told_ && current_) told_(*current_);
}

void Applier::install_back() {
  if (const auto done = nginx_.install(auth_conf(current_)); !done) {
    log::error("auth.conf of the bundle before cannot be put back", {{"error", done.error()}});
  }
}

void Applier::start_timer() {
  const auto limit = state_ == ApplyState::Reloading     ? limits_.reload
                     : state_ == ApplyState::RollingBack ? limits_.back
                                                         : limits_.swap;
  deadline_ = steady_clock::now() + limit;
  on_timer();
}

void Applier::on_timer() {
  timer_.expires_after(kLook);
  timer_.async_wait([this](net::error_code error) {
    if (error || state_ == ApplyState::Idle || state_ == ApplyState::Testing) return;
    check_workers();
    if (state_ == ApplyState::Idle || state_ == ApplyState::Testing) return;
    if (steady_clock::now() < deadline_ || state_ == ApplyState::Behind) return on_timer();
    if (failure_.empty()) failure_ = workers_.missing(wanted());
    fire(ApplyEvent::TimedOut);
    if (state_ == ApplyState::Behind) on_timer();
  });
}

Wanted Applier::wanted() const {
  return {revision(), nginx_.installed(), worker_count_};
}

void Applier::check_workers() {
  was_ready_ = was_ready_ || workers_.all_run_something(worker_count_);
  switch (state_) {
    case ApplyState::Idle:
    case ApplyState::Testing:
      return;
    case ApplyState::Reloading:
    case ApplyState::Swapping:
    case ApplyState::Behind:
      if (!failure_.empty() && state_ != ApplyState::Behind) return;  // a refusal is on its way
      break;
    case ApplyState::RollingBack:
      break;
  }
  if (workers_.all_run(wanted())) fire(ApplyEvent::AllRun);
}

void Applier::note(const engine::WorkerReport& report) {
  workers_.note(report, steady_clock::now());
  if (report.event == engine::WorkerEvent::refused) {
    log::warning("a worker refused what it was given",
                 {{"pid", report.pid}, {"refused", report.refused}, {"detail", report.detail}});
    const bool ours = candidate_ && is_switched_ && report.refused == candidate_->manifest.revision;
    if (ours && report.auth_conf == nginx_.installed()) {
      failure_ = fmt::format("worker {}: {}", report.pid, report.detail);
      return fire(ApplyEvent::Refused);
    }
  }
  check_workers();
}

void Applier::engine_refused(const std::string& revision, const std::string& detail) {
  log::warning("the engine refused what it was given", {{"refused", revision}, {"detail", detail}});
  if (!candidate_ || !is_switched_ || revision != candidate_->manifest.revision) return;
  failure_ = detail;
  fire(ApplyEvent::Refused);
}

void Applier::nginx_ended() {
  // Workers outlive a master that was killed, and keep its ports from the next one.
  for (const auto& worker : workers_.view()) ::kill(static_cast<pid_t>(worker.pid), SIGQUIT);
  workers_.clear();
  if (state_ == ApplyState::Reloading && failure_.empty()) {
    failure_ = "nginx ended while it took up the new configuration";
    net::asio::post(io_, [this] { fire(ApplyEvent::Refused); });
  }
}

void Applier::ack(bundle::Outcome outcome) {
  bundle::Ack ack;
  ack.revision = candidate_->manifest.revision;
  ack.outcome = outcome;
  if (outcome != bundle::Outcome::Applied) ack.detail = failure_;
  if (outcome == bundle::Outcome::Applied) {
    if (is_reloaded_) ack.reload_ms = milliseconds_since(began_);
    if (!is_reloaded_ && is_switched_) ack.swap_ms = workers_.swap_ms(ack.revision);
    log::info("bundle in force",
              {{"revision", ack.revision},
               {"ms", milliseconds_since(began_)},
               {"reloaded", is_reloaded_},
               {"epoch", fmt::format("{}.{}", candidate_->manifest.epoch.term, candidate_->manifest.epoch.sequence)}});
  } else {
    log::warning(outcome == bundle::Outcome::Refused ? "bundle refused, the one before goes on"
                                                     : "bundle in place, but not every worker runs it yet",
                 {{"revision", ack.revision}, {"detail", ack.detail}});
  }
  last_ack_ = ack;
  send_ack_(ack);
}

std::optional<std::string> Applier::content(const bundle::FileEntry& entry) const {
  for (const auto* bundle : {&current_, &previous_, &candidate_, &postponed_, &offered_}) {
    if (!*bundle) continue;
    for (const auto& have : (*bundle)->manifest.files) {
      if (have == entry) return (*bundle)->files.at(entry.name);
    }
  }
  return std::nullopt;
}

}  // namespace meshauth::agent
