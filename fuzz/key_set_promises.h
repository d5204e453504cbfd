// What holds for every key set that was accepted.
#pragma once

#include "core/jose/key_set.h"
#include "fuzz/check.h"

namespace meshauth::fuzz {

inline void check_key_set(std::string_view json) {
  const auto set = jose::parse_key_set(json);
  if (!set) {
    FUZZ_CHECK(!set.error().message.empty());
    return;
  }
  for (const jose::Jwk& key : set->keys) {
    FUZZ_CHECK(key.key != nullptr);
    FUZZ_CHECK(key.thumbprint.size() == 43);
    FUZZ_CHECK(key.kid.size() <= 256);
  }
  for (const jose::SkippedKey& skipped : set->skipped) FUZZ_CHECK(!skipped.reason.empty());
  const std::string copy = jose::to_json(*set);
  const auto again = jose::parse_key_set(copy, {.bytes = 4 * 1024 * 1024, .keys = 256});
  FUZZ_CHECK(again.has_value());
  FUZZ_CHECK(again->keys.size() == set->keys.size());
  FUZZ_CHECK(again->skipped.empty());
  FUZZ_CHECK(again->ambiguous_kids == set->ambiguous_kids);
  FUZZ_CHECK(jose::to_json(*again) == copy);
}

}  // namespace meshauth::fuzz
