#include "sidecar/nginx/module/worker.h"

#include <sys/inotify.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>

namespace meshauth::nginx {
namespace {

constexpr ngx_msec_t kTick = 1000;      // milliseconds; how late a change is seen where inotify does not tell
constexpr ngx_msec_t kDrain = 100;      // milliseconds that requests begun before the end of listening may need
constexpr double kLasting = 2;          // seconds after which a pair of files is not being replaced any more
constexpr std::size_t kMaxPending = 4;  // reports of state kept for an agent that is not there
constexpr std::size_t kBytesPerAnswer = 16 * 1024;  // of the token cache: one answer is kept for that much of it
constexpr std::uint32_t kWatched = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR;

/// The kernel's; a worker that gets none decides nothing.
std::uint64_t random_word() {
  std::uint64_t word = 0;
  if (::getrandom(&word, sizeof word, 0) != sizeof word)
    throw std::system_error(errno, std::generic_category(), "getrandom");
  return word;
}

std::int64_t unix_milliseconds() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

Worker* Worker::current_ = nullptr;

double now() noexcept {
  const ngx_time_t* time = ngx_timeofday();
  return static_cast<double>(time->sec) + static_cast<double>(time->msec) / 1000;
}

Worker::Worker(const MainConf& conf, ngx_cycle_t* cycle)
    : cycle_(cycle),
      pool_(conf.pool),
      folder_(std::string(view(conf.bundle)), std::string(view(conf.trust)), std::string(view(conf.workload))),
      reporter_(std::string(view(conf.agent))),
      cache_(conf.token_cache, random_word()),
      answers_(conf.token_cache / kBytesPerAnswer, random_word,
               [this](const engine::Outcome& outcome, std::uint64_t times) { counters_.add(outcome, times); }),
      started_(unix_milliseconds()),
      auth_conf_(view(conf.auth_conf)) {
  current_ = this;
}

Worker::~Worker() {
  settle_answers();
  say_counters();
  reporter_.send(report(engine::WorkerEvent::bye));
  if (timer_.timer_set) ngx_del_timer(&timer_);
  if (drain_timer_.timer_set) ngx_del_timer(&drain_timer_);
  unwatch();
  current_ = nullptr;
}

bool Worker::start() {
  for (ngx_thread_task_t** task : {&task_, &retire_task_}) {
    *task = ngx_thread_task_alloc(cycle_->pool, sizeof(Worker*));
    if (!*task) return false;
    *static_cast<Worker**>((*task)->ctx) = this;
    (*task)->event.data = this;
    (*task)->event.log = cycle_->log;
  }
  task_->handler = load_in_thread;
  task_->event.handler = on_loaded;
  retire_task_->handler = retire_in_thread;
  retire_task_->event.handler = on_retired;

  dumb_.fd = -1;
  for (ngx_event_t* timer : {&timer_, &drain_timer_}) {
    timer->data = &dumb_;
    timer->log = cycle_->log;
    timer->cancelable = 1;
  }
  timer_.handler = on_timer;
  drain_timer_.handler = on_drain;

  watch();  // before the first look, so that no change falls between
  if (look_is_due()) {
    load(look_);
    apply(look_);
  }
  say(report(engine::WorkerEvent::hello));
  ngx_add_timer(&timer_, kTick);
  return true;
}

[[gnu::hot]] Answered Worker::decide(const engine::HttpRequest& request, const engine::Options& options) {
  const double at = now();
  Answered out = fits_ ? Answered{nullptr, answers_.find(*snapshot_, request, options, at)} : Answered{};
  if (!out.again) decide_anew(out, request, options, at);
  return out;
}

void Worker::decide_anew(Answered& out, const engine::HttpRequest& request, const engine::Options& options, double at) {
  const auto begin = std::chrono::steady_clock::now();
  engine::Outcome outcome = snapshot_ ? engine::decide(*snapshot_, request, at, options, &cache_) : engine::no_bundle();
  if (outcome.allow && !fits_) {
    outcome = engine::no_bundle();
    outcome.detail = "this worker was replaced, and its auth.conf with it: the application would see other headers";
  }
  outcome.revision = revision_;
  counters_.add(outcome);
  if (!outcome.unknown_kid.empty() && kid_reports_.add(outcome.unknown_kid_source, outcome.unknown_kid, at))
    report_unknown_kid(outcome.unknown_kid_source, outcome.unknown_kid);
  out.outcome = std::make_shared<const engine::Outcome>(std::move(outcome));
  if (fits_) answers_.keep(*snapshot_, at, out.outcome);
  const auto took = std::chrono::steady_clock::now() - begin;
  out.microseconds = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
}

void Worker::settle_answers() {
  answers_.settle(snapshot_ ? snapshot_->version() : 0, now());
}

// --- looking at the folder ---

bool Worker::look_is_due() {
  look_ = {};
  auto bundle = folder_.bundle_stamp();
  auto fresh = folder_.fresh_stamp();
  // A folder that never had a bundle is no refusal: nothing has come yet.
  const bool nothing_yet = bundle.target.empty() && !bundle.manifest.exists && !watched_bundle_.seen();
  if (!nothing_yet && watched_bundle_.due(bundle, now())) look_.bundle = std::move(bundle);
  if ((fresh.json.exists || watched_fresh_.seen()) && watched_fresh_.due(fresh, now())) look_.fresh = fresh;
  return look_.bundle || look_.fresh;
}

void Worker::load(Look& look) const {
  if (look.bundle) look.loaded = folder_.load();
  if (look.fresh) look.loaded_fresh = folder_.load_fresh();
}

void Worker::load_in_thread(void* data, ngx_log_t* log) noexcept {
  Worker& self = **static_cast<Worker**>(data);
  guarded(log, 0, [&] {
    self.load(self.look_);
    return 0;
  });
}

void Worker::look_again() {
  if (looking_ || !look_is_due()) return;
  // If the queue is full the next tick tries again.
  looking_ = ngx_thread_task_post(pool_, task_) == NGX_OK;
}

void Worker::on_loaded(ngx_event_t* event) noexcept {
  auto& self = *static_cast<Worker*>(event->data);
  guarded(event->log, 0, [&] {
    self.looking_ = false;
    self.apply(self.look_);
    self.look_again();  // for what came meanwhile
    return 0;
  });
}

void Worker::apply(Look& look) {
  if (look.fresh) {
    apply_fresh(*look.fresh, look.loaded_fresh ? std::move(*look.loaded_fresh) : fail("fresh.json: out of memory"));
  }
  if (look.bundle) {
    apply_bundle(*look.bundle, std::move(look.loaded));
  }
  look = {};
}

void Worker::apply_bundle(const BundleStamp& stamp, LoadedBundle look) {
  auto& loaded = look.snapshot;
  if (!loaded) {
    const std::string& why = loaded.error().message;
    if (watched_bundle_.refused(stamp, why, now())) refused(look.name, why);
    return;
  }
  watched_bundle_.accepted(stamp);
  if (fits(**loaded) || drained_) return swap(std::move(*loaded));
  // Headers that tell the application who calls change with a reload: until then its policy would meet the old ones.
  next_ = std::move(*loaded);
  ngx_log_error(NGX_LOG_NOTICE, cycle_->log, 0, "mesh_auth: revision %s waits for a reload", next_->revision.c_str());
}

bool Worker::fits(const engine::Snapshot& snapshot) const {
  return auth_conf_.empty() || snapshot.auth_conf == auth_conf_;
}

void Worker::swap(std::unique_ptr<engine::Snapshot> next) {
  const auto begin = std::chrono::steady_clock::now();
  next->set_fresh(fresh_);
  std::swap(snapshot_, next);
  fits_ = fits(*snapshot_);
  revision_ = std::make_shared<const std::string>(snapshot_->revision);
  retire(std::move(next));
  next_.reset();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  ngx_log_error(NGX_LOG_NOTICE, cycle_->log, 0, "mesh_auth: runs revision %s", snapshot_->revision.c_str());
  auto swapped = report(engine::WorkerEvent::swapped);
  swapped.swap_ms = took.count();
  say(std::move(swapped));
}

/// Freed at once, but by the thread: with a thousand rules that takes longer than all else in a swap.
void Worker::retire(std::unique_ptr<engine::Snapshot> old) {
  if (old) waiting_.push_back(std::move(old));
  if (retiring_ || waiting_.empty()) return;
  retired_.swap(waiting_);
  retiring_ = ngx_thread_task_post(pool_, retire_task_) == NGX_OK;
  if (!retiring_) retired_.clear();  // its queue is full
}

void Worker::retire_in_thread(void* data, ngx_log_t*) noexcept {
  (*static_cast<Worker**>(data))->retired_.clear();
}

void Worker::on_retired(ngx_event_t* event) noexcept {
  auto& self = *static_cast<Worker*>(event->data);
  self.retiring_ = false;
  guarded(event->log, 0, [&] {
    self.retire(nullptr);  // what came meanwhile
    return 0;
  });
}

void Worker::apply_fresh(const FreshStamp& stamp, Result<bundle::Fresh> loaded) {
  if (!loaded) {
    // Its two files are replaced one after the other: between them the signature does not fit, which is no news.
    const std::string& why = loaded.error().message;
    if (watched_fresh_.refused(stamp, why, now())) fresh_failure_ = Failure{why, now()};
    return;
  }
  watched_fresh_.accepted(stamp);
  fresh_failure_.reset();
  fresh_.merge(*loaded);
  if (snapshot_) snapshot_->set_fresh(fresh_);
}

void Worker::watch() {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return;  // the timer alone: a change is seen within a second
  watch_ = ::inotify_add_watch(fd, folder_.path().c_str(), kWatched);
  inotify_ = watch_ < 0 ? nullptr : ngx_get_connection(fd, cycle_->log);
  if (!inotify_) {
    ::close(fd);
    return;
  }
  inotify_->read->handler = on_inotify;
  inotify_->read->log = cycle_->log;
  inotify_->write->log = cycle_->log;
  inotify_->idle = 1;  // so that nginx calls its handler, with `close` set, the moment it begins to drain this worker
  if (ngx_handle_read_event(inotify_->read, 0) != NGX_OK) unwatch();
}

void Worker::unwatch() {
  if (!inotify_) return;
  ngx_close_connection(inotify_);
  inotify_ = nullptr;
}

void Worker::on_inotify(ngx_event_t* event) noexcept {
  auto* connection = static_cast<ngx_connection_t*>(event->data);
  if (connection->close) {
    connection->close = connection->idle = 0;
    if (current_) ngx_add_timer(&current_->drain_timer_, kDrain);
    return;
  }
  alignas(inotify_event) char buffer[4096];
  bool gone = false;
  for (ssize_t got; (got = ::read(connection->fd, buffer, sizeof buffer)) > 0;) {
    for (char* at = buffer; at < buffer + got;) {
      const auto* what = reinterpret_cast<const inotify_event*>(at);
      gone = gone || (what->mask & IN_IGNORED) != 0;
      at += sizeof(inotify_event) + what->len;
    }
  }
  event->ready = 0;
  if (!current_) return;
  guarded(event->log, 0, [&] {
    // Gone: the folder itself was replaced. The next tick watches the new one.
    if (gone || ngx_handle_read_event(event, 0) != NGX_OK) current_->unwatch();
    current_->look_again();
    return 0;
  });
}

void Worker::on_drain(ngx_event_t* event) noexcept {
  if (!current_) return;
  guarded(event->log, 0, [&] {
    current_->drained();
    return 0;
  });
}

// A request may still come over a connection that is open. It meets the newest policy, like everywhere else.
void Worker::drained() {
  drained_ = true;
  if (next_) swap(std::move(next_));
  say(report(engine::WorkerEvent::counters));  // the agent waits to hear that no new connection comes here any more
}

void Worker::on_timer(ngx_event_t* event) noexcept {
  if (!current_) return;
  guarded(event->log, 0, [&] {
    current_->tick();
    return 0;
  });
  ngx_add_timer(event, kTick);
}

void Worker::tick() {
  if (!inotify_) watch();
  look_again();
  tell_lasting_failure();
  say_pending();
  report_waiting_kids();
  if (ngx_exiting && !drained_ && !drain_timer_.timer_set) drained();  // where inotify could not tell
  settle_answers();
  if (now() - heartbeat_ >= engine::kHeartbeatSeconds || !counters_.empty()) say_counters();
}

// --- reports ---

engine::WorkerReport Worker::report(engine::WorkerEvent event) const {
  engine::WorkerReport out;
  out.event = event;
  out.pid = ngx_pid;
  out.worker = static_cast<unsigned>(ngx_worker);
  out.started = started_;
  if (snapshot_) out.revision = snapshot_->revision;
  out.auth_conf = auth_conf_;
  out.draining = drained_;
  return out;
}

void Worker::say(engine::WorkerReport what) {
  pending_.push_back(std::move(what));
  if (pending_.size() > kMaxPending) pending_.pop_front();
  say_pending();
}

void Worker::say_pending() {
  while (!pending_.empty() && reporter_.send(pending_.front())) pending_.pop_front();
}

void Worker::say_counters() {
  heartbeat_ = now();
  do {
    auto out = report(engine::WorkerEvent::counters);
    out.counters = counters_.take();
    if (!reporter_.send(out)) {
      counters_.give_back(out.counters);
      return;
    }
  } while (!counters_.empty());
}

void Worker::tell_lasting_failure() {
  if (!fresh_failure_ || now() - fresh_failure_->since < kLasting) return;
  refused("fresh.json", std::move(fresh_failure_->detail));
  fresh_failure_.reset();
}

void Worker::refused(std::string what, std::string detail) {
  ngx_log_error(NGX_LOG_ERR, cycle_->log, 0, "mesh_auth: refused %s: %s; %s", what.c_str(), detail.c_str(),
                snapshot_ ? "what was there before goes on" : "there is nothing before it");
  auto out = report(engine::WorkerEvent::refused);
  out.refused = std::move(what);
  out.detail = std::move(detail);
  say(std::move(out));
}

void Worker::report_unknown_kid(std::string source, std::string kid) {
  auto out = report(engine::WorkerEvent::unknown_kid);
  out.source = std::move(source);
  out.kid = std::move(kid);
  reporter_.send(out);
}

void Worker::report_waiting_kids() {
  const auto known = [this](const std::string& source, const std::string& kid) {
    return snapshot_ && snapshot_->verifier().has_key(source, kid);
  };
  for (auto& [source, kid] : kid_reports_.take_due(now(), known)) report_unknown_kid(source, std::move(kid));
}

}  // namespace meshauth::nginx
