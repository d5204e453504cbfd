#include "operator/fleet/gate.h"

#include <prometheus/counter.h>

#include "core/base/digest.h"
#include "operator/asio/asio.h"
#include "operator/fleet/metrics.h"
#include "operator/log/log.h"

namespace meshauth::fleet {
namespace {

using namespace std::chrono_literals;
using net::asio::post;

constexpr auto kUnknownLife = 5s;  // a token may become good: its pod appears, its service account is made

template <class Cache>
void make_room(Cache& cache, std::size_t most, std::chrono::system_clock::time_point now) {
  if (cache.size() < most) return;
  std::erase_if(cache, [now](const auto& item) { return item.second.until <= now; });
  if (cache.size() >= most) cache.erase(cache.begin());
}

Verdict judge(Authenticator& authenticator, const std::string& token, const std::string& instance) {
  const auto caller = authenticator.authenticate(token, instance);
  if (!caller) {
    log::warning("a sidecar's token could not be checked", {{"error", caller.error()}});
    return {Verdict::Kind::Unavailable, {}};
  }
  if (!*caller) return {Verdict::Kind::Unknown, {}};
  return {Verdict::Kind::Known, **caller};
}

}  // namespace

Gate::Gate(net::asio::io_context& io, std::shared_ptr<Authenticator> authenticator, std::size_t threads,
           FleetMetrics& metrics)
    : io_(io),
      authenticator_(std::move(authenticator)),
      metrics_(metrics),
      pool_(std::make_unique<net::asio::thread_pool>(threads)) {}

Gate::~Gate() {
  stop();
}

const Verdict* Gate::find(Cache& cache, const std::string& key) {
  const auto found = cache.find(key);
  if (found == cache.end()) return nullptr;
  if (found->second.until > std::chrono::system_clock::now()) return &found->second.verdict;
  cache.erase(found);
  return nullptr;
}

void Gate::check(std::string token, std::string instance, Done done) {
  if (cancelled_) return done(Verdict{});
  std::string key = sha256(token) + instance;
  const Verdict* cached = find(known_, key);
  if (cached == nullptr) cached = find(unknown_, key);
  if (cached != nullptr) {
    metrics_.review("cached").Increment();
    return done(Verdict(*cached));
  }
  const auto waiting = waiting_.find(key);
  if (waiting != waiting_.end()) {
    if (waiting->second.size() >= kMaxWaiting) return done(Verdict{});
    waiting->second.push_back(std::move(done));
    return;
  }
  if (waiting_.size() >= kMaxWaiting) return done(Verdict{});
  waiting_[key].push_back(std::move(done));
  post(*pool_, [this, key = std::move(key), token = std::move(token), instance = std::move(instance)] {
    const Verdict verdict = judge(*authenticator_, token, instance);
    post(io_, [this, key, verdict] { finish(key, verdict); });
  });
}

void Gate::finish(const std::string& key, const Verdict& verdict) {
  remember(key, verdict);
  const auto waiting = waiting_.extract(key);
  if (waiting.empty()) return;
  for (const auto& done : waiting.mapped()) done(verdict);
}

void Gate::remember(const std::string& key, const Verdict& verdict) {
  const auto now = std::chrono::system_clock::now();
  switch (verdict.kind) {
    case Verdict::Kind::Known:
      metrics_.review("known").Increment();
      if (verdict.caller.expiry <= now) return;
      make_room(known_, kMaxKnown, now);
      known_[key] = {verdict, verdict.caller.expiry};
      return;
    case Verdict::Kind::Unknown:
      metrics_.review("unknown").Increment();
      make_room(unknown_, kMaxUnknown, now);
      unknown_[key] = {verdict, now + kUnknownLife};
      return;
    case Verdict::Kind::Unavailable:
      metrics_.review("error").Increment();
      return;
  }
}

void Gate::forget_pod(std::string_view pod) {
  std::erase_if(known_, [pod](const auto& item) { return item.second.verdict.caller.pod == pod; });
}

void Gate::cancel() {
  cancelled_ = true;
  const auto waiting = std::exchange(waiting_, {});
  for (const auto& [key, all] : waiting) {
    for (const auto& done : all) done(Verdict{});
  }
}

void Gate::stop() {
  pool_->stop();
  pool_->join();
}

}  // namespace meshauth::fleet
