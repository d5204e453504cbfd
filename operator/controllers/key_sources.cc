// Providers and their key sources: fetch loops, rotation, records.
#include <nlohmann/json.hpp>
#include <variant>

#include "operator/controllers/controllers.h"

namespace meshauth::controllers {
namespace {

/// The same keys in the same states: only times differ.
bool same_keys(const plan::KeyHistory& a, const plan::KeyHistory& b) {
  if (a.keys.size() != b.keys.size() || a.discovered_issuer != b.discovered_issuer ||
      a.ambiguous_kids != b.ambiguous_kids || a.jwks_uri != b.jwks_uri)
    return false;
  for (std::size_t i = 0; i < a.keys.size(); ++i) {
    if (a.keys[i].key.json != b.keys[i].key.json || a.keys[i].retire != b.keys[i].retire) return false;
  }
  return true;
}

}  // namespace

bool Controllers::reconcile_provider(const std::string& id) {
  const auto held = index_.provider(id);
  if (!held) return true;
  const std::string source = index_.source_of(id);
  const auto before = index_.status_of(Kind::Provider, id);
  const plan::ProviderFacts facts{*held, index_.history(source), index_.fetch(source)};
  write_status(Kind::Provider, id, plan::provider_status(facts, before, world_.now()), before);
  return true;
}

bool Controllers::reconcile_source(const std::string& id) {
  {
    // A record that could not be written: again.
    std::optional<plan::KeyHistory> pending;
    {
      const std::lock_guard lock(mutex_);
      const auto it = unrecorded_.find(id);
      if (it != unrecorded_.end()) pending = it->second;
    }
    if (pending && !settle_history(id, std::move(*pending), true)) return false;
  }
  const auto wish = index_.wish(id);
  if (!wish) {
    // A provider that is refused now goes on with its last good form, and so does its loop.
    if (!index_.providers_of(id).empty() || !index_.workloads_of_source(id).empty()) return true;
    world_.unfollow(id);
    return world_.erase_keys(id).has_value();
  }
  const auto history = index_.history(id);
  if (history && history->next_retirement() && *history->next_retirement() <= world_.now()) {
    if (!settle_history(id, plan::expire(*history, world_.now()), true)) return false;
  }
  if (const auto* given = std::get_if<model::InlineJwks>(&wish->origin)) {
    FetchResult result;
    result.time = world_.now();
    if (auto keys = jose::parse_key_set(given->jwks)) {
      result.keys = std::make_shared<const jose::KeySet>(std::move(*keys));
    } else {
      result.error_reason = "KeySetInvalid";
      result.error_message = "spec.jwks.inline: " + keys.error().message;
      result.consecutive_failures = plan::kFailuresThatNeedAPerson;
    }
    on_fetched(id, result);
    return true;
  }
  world_.follow(id, *wish, index_.history(id));
  return true;
}

void Controllers::restore_keys(const std::string& source, plan::KeyHistory history) {
  {
    const std::lock_guard lock(mutex_);
    if (history.last_good) keys_recorded_[source] = *history.last_good;
  }
  index_.put_history(source, plan::expire(std::move(history), world_.now()));
}

void Controllers::on_fetched(const std::string& source, const FetchResult& result) {
  plan::FetchState fetch{result.error_reason, result.error_message, result.discovery_failed,
                         result.consecutive_failures, result.next_fetch};
  if (!result.keys) {
    enqueue(index_.put_fetch(source, std::move(fetch)));
    return;
  }
  const auto wish = index_.wish(source);
  const auto before = index_.history(source);
  plan::KeyHistory after = plan::rotate(before.value_or(plan::KeyHistory{}), *result.keys, result.time,
                                        wish ? wish->rotation.overlap : Seconds(0));
  after.jwks_uri = result.jwks_uri;
  after.discovered_issuer = result.discovered_issuer;
  after.etag = result.etag;
  enqueue(index_.put_fetch(source, std::move(fetch)));
  const bool changed = !before || !same_keys(*before, after);
  if (!settle_history(source, std::move(after), changed)) queue_.add({Kind::Source, source});
}

/// Recorded first, then used. Freshness alone is recorded now and then.
bool Controllers::settle_history(const std::string& source, plan::KeyHistory history, bool keys_changed) {
  const auto wish = index_.wish(source);
  const Seconds max_stale = wish ? wish->rotation.max_stale : Seconds(86400);
  bool due = keys_changed;
  {
    const std::lock_guard lock(mutex_);
    const auto recorded = keys_recorded_.find(source);
    due = due || recorded == keys_recorded_.end() ||
          (history.last_good && *history.last_good - recorded->second >= max_stale / 4);
  }
  if (due) {
    const Status recorded = world_.record_keys(source, plan::to_json(history));
    const std::lock_guard lock(mutex_);
    if (!recorded) {
      unrecorded_[source] = std::move(history);
      return false;
    }
    unrecorded_.erase(source);
    keys_recorded_[source] = history.last_good.value_or(plan::Time{});
  }
  if (const auto retirement = history.next_retirement()) {
    queue_.add_after({Kind::Source, source},
                     std::max(std::chrono::milliseconds(*retirement - world_.now()), std::chrono::milliseconds(0)) +
                         std::chrono::milliseconds(1000));
  }
  enqueue(index_.put_history(source, std::move(history)));
  return true;
}

}  // namespace meshauth::controllers
