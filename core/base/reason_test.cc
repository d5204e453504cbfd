#include "core/base/reason.h"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

using namespace meshauth;

TEST_CASE("every reason has one name, and the name gives the reason back") {
  std::set<std::string_view> names;
  for (int i = 1; reason_from_name(reason_name(static_cast<Reason>(i))) == static_cast<Reason>(i) &&
                  i <= static_cast<int>(Reason::internal);
       ++i) {
    names.insert(reason_name(static_cast<Reason>(i)));
  }
  CHECK(names.size() == static_cast<std::size_t>(Reason::internal));
  CHECK(reason_name(Reason::none) == "");
  CHECK(reason_from_name("") == Reason::none);
  CHECK(reason_from_name("no_such_reason") == Reason::none);
}

TEST_CASE("the stable list: these names, statuses and error codes are what others rely on") {
  const std::map<int, std::vector<std::string>> table = {
      {400, {"path_ambiguous", "host_mismatch", "token_multiple", "token_malformed_source", "header_too_large"}},
      {401, {"token_missing",     "token_too_large",     "token_segments",
             "base64_invalid",    "json_invalid",        "json_duplicate",
             "json_too_deep",     "alg_not_allowed",     "alg_key_mismatch",
             "crit_present",      "header_forbidden",    "kid_unknown",
             "kid_ambiguous",     "kid_missing_no_key",  "typ_not_allowed",
             "issuer_unknown",    "audience_mismatch",   "exp_missing",
             "expired",           "not_yet_valid",       "issued_in_future",
             "lifetime_too_long", "numericdate_invalid", "claim_required",
             "signature_invalid"}},
      {403, {"scope_insufficient", "no_rule_matched", "denied_by_rule", "no_policy"}},
      {503, {"no_bundle", "keys_stale", "internal"}},
  };
  std::size_t count = 0;
  for (const auto& [status, names] : table) {
    for (const auto& name : names) {
      CAPTURE(name);
      const Reason reason = reason_from_name(name);
      REQUIRE(reason != Reason::none);
      CHECK(reason_status(reason) == status);
      const std::string_view code = name == "token_missing"        ? ""
                                    : status == 401                ? "invalid_token"
                                    : name == "scope_insufficient" ? "insufficient_scope"
                                                                   : "";
      CHECK(reason_error_code(reason) == code);
      ++count;
    }
  }
  CHECK(count == static_cast<std::size_t>(Reason::internal));
}

TEST_CASE("a number that is no reason answers closed") {
  CHECK(reason_status(static_cast<Reason>(200)) == 503);
  CHECK(reason_status(Reason::none) == 200);
}
