// What nginx tells the application, and the log, of a decision: as text that may stand in a header.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/engine/decide.h"
#include "core/engine/request.h"
#include "core/engine/snapshot.h"

namespace meshauth::engine {

/// Are the two names of one header, if '-' and '_' are the same and case does not matter (as CGI and WSGI see them)?
bool same_header(std::string_view a, std::string_view b) noexcept;

/// Text from a token may hold control characters: they are percent-encoded.
std::string harmless(std::string_view text);
bool is_harmless(std::string_view text) noexcept;

/// The value of one of auth.conf's headers. For a header that a provider forwards: the claim of the provider that
/// speaks for the caller, else "". For a header that carries tokens: what the client sent, less a token that must not
/// reach the application. snapshot and outcome may be null. name: with '-' or '_'. headers: of the client.
std::string forwarded_value(const Snapshot* snapshot, const Outcome* outcome, std::string_view name,
                            std::span<const Header> headers);

/// The caller's scopes, one space between two; "" without a principal.
std::string scope_text(const Outcome& outcome);

}  // namespace meshauth::engine
