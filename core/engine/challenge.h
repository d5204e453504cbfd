// How a refusal is said to the client: status, challenge, body. Never more than the code.
#pragma once

#include <string>
#include <string_view>

#include "core/engine/decide.h"

namespace meshauth::engine {

/// The value of WWW-Authenticate (RFC 6750 section 3); "" where the answer has none (400, 503, and a 403 that no scope
/// would help). Without a token there is no error code; scope_insufficient names the missing scopes.
/// resource_metadata: RFC 9728 section 5.1, left out if empty.
std::string challenge(const Outcome& outcome, std::string_view resource_metadata);

/// May it stand in a challenge: http or https, of what a URL may hold (RFC 3986 section 2), at most 1024 bytes?
bool is_metadata_url(std::string_view text) noexcept;

enum class ErrorBody : std::uint8_t { Json, Plain };

/// {"code":403,"message":"Forbidden"} and a line feed, or "403 Forbidden".
std::string error_body(int status, ErrorBody form);

/// "Unauthorized" for 401, and so on for the statuses that refuse; 500 is what nginx makes of some.
std::string_view phrase(int status) noexcept;

/// The gRPC status code that says the same, as a decimal number: 400 "3" INVALID_ARGUMENT, 401 "16" UNAUTHENTICATED,
/// 403 "7" PERMISSION_DENIED, else "14" UNAVAILABLE (gRPC, "Status codes and their use").
std::string_view grpc_status(int status) noexcept;

/// "application/json" or "text/plain".
std::string_view content_type(ErrorBody form) noexcept;

}  // namespace meshauth::engine
