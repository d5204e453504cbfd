#include "core/plan/rotation.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json_doc.h"

namespace meshauth::plan {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxRecordBytes = 1024 * 1024;

/// The same key under another kid is another entry: the kid is how tokens name it.
bool same(const jose::Jwk& a, const jose::Jwk& b) {
  return a.thumbprint == b.thumbprint && a.kid == b.kid;
}

const TrackedKey* find(const std::vector<TrackedKey>& keys, const jose::Jwk& key) {
  const auto it = std::find_if(keys.begin(), keys.end(), [&](const TrackedKey& k) { return same(k.key, key); });
  return it == keys.end() ? nullptr : &*it;
}

Result<Time> read_time(simdjson::dom::element item, std::string_view name) {
  std::string_view text;
  if (item[name].get(text) != simdjson::SUCCESS) return fail("the key record has a key without {}", name);
  return parse_time(text);
}

Result<TrackedKey> read_key(simdjson::dom::element item) {
  simdjson::dom::element jwk;
  if (item["jwk"].get(jwk) != simdjson::SUCCESS) return fail("the key record has an entry without jwk");
  auto set = jose::parse_key_set(R"({"keys":[)" + std::string(simdjson::minify(jwk)) + "]}");
  if (!set) return tl::unexpected(set.error());
  if (set->keys.size() != 1) return fail("the key record has a key that cannot be used");
  const auto first = read_time(item, "firstSeen"), last = read_time(item, "lastSeen");
  if (!first) return tl::unexpected(first.error());
  if (!last) return tl::unexpected(last.error());
  TrackedKey key{std::move(set->keys.front()), *first, *last, std::nullopt};
  if (item["retire"].error() == simdjson::SUCCESS) {
    const auto retire = read_time(item, "retire");
    if (!retire) return tl::unexpected(retire.error());
    key.retire = *retire;
  }
  return key;
}

}  // namespace

jose::KeySet KeyHistory::key_set(Time now) const {
  std::vector<jose::Jwk> usable;
  const auto ambiguous = [&](const std::string& kid) {
    return std::find(ambiguous_kids.begin(), ambiguous_kids.end(), kid) != ambiguous_kids.end();
  };
  for (const TrackedKey& tracked : keys) {
    if ((!tracked.retire || *tracked.retire > now) && !ambiguous(tracked.key.kid)) usable.push_back(tracked.key);
  }
  // Read back as any set is, so that two keys under one kid are found ambiguous here too.
  auto set = jose::parse_key_set(jose::to_json(usable));
  jose::KeySet out = set ? std::move(*set) : jose::KeySet{};
  out.skipped.insert(out.skipped.begin(), skipped.begin(), skipped.end());
  out.ambiguous_kids.insert(out.ambiguous_kids.end(), ambiguous_kids.begin(), ambiguous_kids.end());
  return out;
}

std::optional<Time> KeyHistory::next_retirement() const {
  std::optional<Time> next;
  for (const TrackedKey& tracked : keys) {
    if (tracked.retire && (!next || *tracked.retire < *next)) next = tracked.retire;
  }
  return next;
}

KeyHistory rotate(const KeyHistory& before, const jose::KeySet& fetched, Time now, Seconds overlap) {
  KeyHistory after;
  after.skipped = fetched.skipped;
  after.ambiguous_kids = fetched.ambiguous_kids;
  after.jwks_uri = before.jwks_uri;
  after.discovered_issuer = before.discovered_issuer;
  after.etag = before.etag;
  after.last_good = now;
  for (const jose::Jwk& key : fetched.keys) {
    const TrackedKey* known = find(before.keys, key);
    after.keys.push_back({key, known != nullptr ? known->first_seen : now, now, std::nullopt});
  }
  for (const TrackedKey& known : before.keys) {
    if (find(after.keys, known.key) != nullptr) continue;
    TrackedKey leaving = known;
    if (!leaving.retire) leaving.retire = now + overlap;
    if (*leaving.retire > now) after.keys.push_back(std::move(leaving));
  }
  return after;
}

KeyHistory expire(KeyHistory history, Time now) {
  std::erase_if(history.keys, [&](const TrackedKey& key) { return key.retire && *key.retire <= now; });
  return history;
}

std::string to_json(const KeyHistory& history) {
  json out{{"jwksUri", history.jwks_uri}, {"issuer", history.discovered_issuer}, {"etag", history.etag}};
  if (history.last_good) out["lastGood"] = format_time(*history.last_good);
  out["ambiguousKids"] = history.ambiguous_kids;
  out["keys"] = json::array();
  for (const TrackedKey& tracked : history.keys) {
    json key{{"jwk", json::parse(tracked.key.json)},
             {"firstSeen", format_time(tracked.first_seen)},
             {"lastSeen", format_time(tracked.last_seen)}};
    if (tracked.retire) key["retire"] = format_time(*tracked.retire);
    out["keys"].push_back(std::move(key));
  }
  out["skipped"] = json::array();
  for (const auto& skipped : history.skipped)
    out["skipped"].push_back({{"kid", skipped.kid}, {"reason", skipped.reason}});
  return out.dump();
}

Result<KeyHistory> history_from_json(std::string_view text) {
  const auto doc = JsonDoc::parse(text, {.bytes = kMaxRecordBytes});
  if (!doc) return fail("the key record is refused: {}", json_fault(doc.error()));
  const auto root = doc->root();
  std::string_view uri, issuer, etag;
  simdjson::dom::array keys, skipped, ambiguous;
  if (root["jwksUri"].get(uri) != simdjson::SUCCESS || root["issuer"].get(issuer) != simdjson::SUCCESS ||
      root["etag"].get(etag) != simdjson::SUCCESS || root["keys"].get(keys) != simdjson::SUCCESS ||
      root["skipped"].get(skipped) != simdjson::SUCCESS || root["ambiguousKids"].get(ambiguous) != simdjson::SUCCESS) {
    return fail("the key record must have jwksUri, issuer, etag, keys, skipped and ambiguousKids");
  }
  KeyHistory history;
  history.jwks_uri = uri;
  history.discovered_issuer = issuer;
  history.etag = etag;
  if (root["lastGood"].error() == simdjson::SUCCESS) {
    const auto time = read_time(root, "lastGood");
    if (!time) return tl::unexpected(time.error());
    history.last_good = *time;
  }
  for (const auto item : keys) {
    auto key = read_key(item);
    if (!key) return tl::unexpected(key.error());
    history.keys.push_back(std::move(*key));
  }
  for (const auto item : ambiguous) {
    std::string_view kid;
    if (item.get(kid) != simdjson::SUCCESS) return fail("the key record: ambiguousKids must hold strings");
    history.ambiguous_kids.emplace_back(kid);
  }
  for (const auto item : skipped) {
    std::string_view kid, reason;
    if (item["kid"].get(kid) != simdjson::SUCCESS || item["reason"].get(reason) != simdjson::SUCCESS) {
      return fail("the key record has a skipped key without kid and reason");
    }
    history.skipped.push_back({std::string(kid), std::string(reason)});
  }
  return history;
}

}  // namespace meshauth::plan
