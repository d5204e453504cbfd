#include "core/jose/testing/hostile.h"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <set>

#include "core/jose/testing/reasons.h"

using namespace meshauth;
using namespace meshauth::jose;
using namespace meshauth::jose::testing;

namespace {

HostileList everything() {
  HostileList out;
  for (auto* list :
       {hostile_algorithms, hostile_forms, hostile_json, hostile_keys, hostile_claims, hostile_signatures}) {
    auto rows = list();
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

/// The parts that both differ in. Another algorithm is said in the header and signed by it: that is one edit, also
/// where no key of ours makes such a signature and it is put there afterwards.
std::vector<std::string> differences(const Hostile& row) {
  const Draft &a = row.hostile, &b = row.twin;
  std::vector<std::string> out;
  const bool signing = a.signed_by != b.signed_by || a.signed_as != b.signed_as;
  if (a.header != b.header || signing) out.emplace_back("header and signature");
  if (a.claims != b.claims) out.emplace_back("claims");
  const bool spoilt = static_cast<bool>(a.spoil) != static_cast<bool>(b.spoil);
  if (spoilt && (a.header == b.header || !row.id.starts_with("alg-"))) out.emplace_back("token");
  if (a.now != b.now) out.emplace_back("time");
  return out;
}

}  // namespace

TEST_CASE("a hostile token and its twin are one edit apart") {
  for (const Hostile& row : everything()) {
    CAPTURE(row.id);
    const auto parts = differences(row);
    CHECK_MESSAGE(parts.size() <= 1, fmt::format("{}", fmt::join(parts, ", ")));
  }
}

TEST_CASE("every hostile token is refused for its reason, and its twin one edit away is accepted") {
  std::map<std::string, World> worlds;
  for (const Hostile& row : everything()) {
    CAPTURE(row.id);
    CAPTURE(row.source);
    World& world = worlds.try_emplace(row.world, make_world(row.world)).first->second;
    CHECK(reason_name(world.reason(row.hostile)) == reason_name(row.reason));
    CHECK(reason_name(world.reason(row.twin)) == "");
  }
}

TEST_CASE("there are hundreds of them, each with its own id, and every reason of a token is among theirs") {
  const HostileList rows = everything();
  CHECK(rows.size() >= 700);
  std::set<std::string> ids;
  std::set<Reason> reasons;
  for (const Hostile& row : rows) {
    CHECK_MESSAGE(ids.insert(row.id).second, row.id << " is there twice");
    CHECK_FALSE(row.source.empty());
    reasons.insert(row.reason);
  }
  for (const Reason reason : kAllReasons) {
    CAPTURE(reason_name(reason));
    CHECK((reasons.contains(reason) || !is_about_tokens(reason)));
  }
}
