// Why a request was refused: one enumerator per reason, its name the same in the log, the metrics, the docs and the
// command line.
#pragma once

#include <cstdint>
#include <string_view>

namespace meshauth {

// X(enumerator-and-name, HTTP status, RFC 6750 error code or "")
#define MESH_AUTH_REASONS(X)                       \
  X(path_ambiguous, 400, "")                       \
  X(host_mismatch, 400, "")                        \
  X(token_multiple, 400, "")                       \
  X(token_malformed_source, 400, "")               \
  X(header_too_large, 400, "")                     \
  X(token_missing, 401, "")                        \
  X(token_too_large, 401, "invalid_token")         \
  X(token_segments, 401, "invalid_token")          \
  X(base64_invalid, 401, "invalid_token")          \
  X(json_invalid, 401, "invalid_token")            \
  X(json_duplicate, 401, "invalid_token")          \
  X(json_too_deep, 401, "invalid_token")           \
  X(alg_not_allowed, 401, "invalid_token")         \
  X(alg_key_mismatch, 401, "invalid_token")        \
  X(crit_present, 401, "invalid_token")            \
  X(header_forbidden, 401, "invalid_token")        \
  X(kid_unknown, 401, "invalid_token")             \
  X(kid_ambiguous, 401, "invalid_token")           \
  X(kid_missing_no_key, 401, "invalid_token")      \
  X(typ_not_allowed, 401, "invalid_token")         \
  X(issuer_unknown, 401, "invalid_token")          \
  X(audience_mismatch, 401, "invalid_token")       \
  X(exp_missing, 401, "invalid_token")             \
  X(expired, 401, "invalid_token")                 \
  X(not_yet_valid, 401, "invalid_token")           \
  X(issued_in_future, 401, "invalid_token")        \
  X(lifetime_too_long, 401, "invalid_token")       \
  X(numericdate_invalid, 401, "invalid_token")     \
  X(claim_required, 401, "invalid_token")          \
  X(signature_invalid, 401, "invalid_token")       \
  X(scope_insufficient, 403, "insufficient_scope") \
  X(no_rule_matched, 403, "")                      \
  X(denied_by_rule, 403, "")                       \
  X(no_policy, 403, "")                            \
  X(no_bundle, 503, "")                            \
  X(keys_stale, 503, "")                           \
  X(internal, 503, "")

enum class Reason : std::uint8_t {
  none,  ///< nothing was refused
#define X(name, status, error) name,
  MESH_AUTH_REASONS(X)
#undef X
};

/// The stable name, "" for none.
std::string_view reason_name(Reason reason) noexcept;

/// The HTTP status that answers with this reason; 200 for none.
int reason_status(Reason reason) noexcept;

/// The `error` attribute of the challenge (RFC 6750 section 3.1), "" where the challenge has none.
std::string_view reason_error_code(Reason reason) noexcept;

/// none if no reason has that name.
Reason reason_from_name(std::string_view name) noexcept;

}  // namespace meshauth
