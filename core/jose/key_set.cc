#include "core/jose/key_set.h"

#include <algorithm>
#include <set>

#include "core/base/json_doc.h"
#include "core/base/json_text.h"
#include "core/base/text.h"
#include "core/jose/curve.h"
#include "core/jose/jwk.h"

namespace meshauth::jose {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

/// Written by to_json(KeySet) so that whoever reads the set back still knows which kids are refused, and why.
constexpr std::string_view kAmbiguous = "ambiguous_kids";

bool same_entry(const Jwk& a, const Jwk& b) {
  return a.thumbprint == b.thumbprint && a.kid == b.kid && a.alg == b.alg && a.issuer == b.issuer;
}

/// Another key, and no header could say which of the two is meant. Without a kid nothing claims to be the only one.
bool conflict(const Jwk& a, const Jwk& b) {
  return !a.kid.empty() && a.kid == b.kid && a.thumbprint != b.thumbprint &&
         fitting_algorithms(a).intersects(fitting_algorithms(b));
}

Status read_entry(element value, KeySet& set) {
  object jwk;
  if (value.get(jwk) != simdjson::SUCCESS) {
    set.skipped.push_back({"", "it is not an object"});
    return {};
  }
  if (const auto secret = secret_member(jwk)) {
    return fail(
        "key {} holds secret material ({}); a key set holds public keys only, and this key is known to others now",
        in_quotes(kid_of(jwk)), *secret);
  }
  auto key = parse_jwk(jwk);
  if (!key) {
    set.skipped.push_back({kid_of(jwk), std::move(key.error().message)});
  } else if (std::none_of(set.keys.begin(), set.keys.end(), [&](const Jwk& k) { return same_entry(k, *key); })) {
    set.keys.push_back(std::move(*key));
  }
  return {};
}

/// Kids that the set itself says are ambiguous.
void read_ambiguous(element root, std::set<std::string>& kids) {
  simdjson::dom::array names;
  if (root.at_key(kAmbiguous).get(names) != simdjson::SUCCESS) return;
  for (const element name : names) {
    std::string_view kid;
    if (name.get(kid) == simdjson::SUCCESS && !kid.empty() && kid.size() <= kMaxKidBytes) kids.emplace(kid);
  }
}

void take_out_ambiguous(KeySet& set, std::set<std::string> kids) {
  for (std::size_t i = 0; i < set.keys.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (conflict(set.keys[i], set.keys[j])) kids.insert(set.keys[i].kid);
    }
  }
  std::erase_if(set.keys, [&](const Jwk& key) { return kids.contains(key.kid); });
  set.ambiguous_kids.assign(kids.begin(), kids.end());
}

void append_keys(std::string& out, const std::vector<Jwk>& keys) {
  out += "\"keys\":[";
  bool first = true;
  for (const Jwk& key : keys) {
    if (!first) out += ',';
    first = false;
    out += key.json;
  }
  out += "]}";
}

}  // namespace

bool Jwk::fits(Algorithm algorithm) const noexcept {
  return fitting_algorithms(*this).contains(algorithm);
}

Result<KeySet> parse_key_set(std::string_view json, const KeySetLimits& limits) {
  if (json.size() > limits.bytes) return fail("the key set has {} bytes; at most {}", json.size(), limits.bytes);
  const auto doc = JsonDoc::parse(json, {.bytes = limits.bytes, .depth = 32});
  if (!doc) return fail("the key set is refused: {}", json_fault(doc.error()));
  simdjson::dom::array entries;
  if (doc->root().at_key("keys").get(entries) != simdjson::SUCCESS) {
    return fail("this is no key set: it must be a JSON object whose member \"keys\" is a list (RFC 7517 section 5)");
  }
  if (entries.size() > limits.keys) return fail("the key set has {} keys; at most {}", entries.size(), limits.keys);
  KeySet set;
  for (const element entry : entries) {
    if (auto read = read_entry(entry, set); !read) return tl::unexpected(read.error());
  }
  std::set<std::string> ambiguous;
  read_ambiguous(doc->root(), ambiguous);
  take_out_ambiguous(set, std::move(ambiguous));
  return set;
}

std::string to_json(const std::vector<Jwk>& keys) {
  std::string out = "{";
  append_keys(out, keys);
  return out;
}

std::string to_json(const KeySet& set) {
  std::string out = "{";
  if (!set.ambiguous_kids.empty()) {
    append_json_string(out, kAmbiguous);
    out += ":[";
    for (std::size_t i = 0; i < set.ambiguous_kids.size(); ++i) {
      if (i > 0) out += ',';
      append_json_string(out, set.ambiguous_kids[i]);
    }
    out += "],";
  }
  append_keys(out, set.keys);
  return out;
}

}  // namespace meshauth::jose
