// Which reasons the tables of hostile tokens are there for; the others are those of requests. Never part of a program.
#pragma once

#include "core/base/reason.h"

namespace meshauth::jose::testing {

/// What is wrong with a token by itself.
constexpr bool is_about_tokens(Reason reason) {
  return reason >= Reason::token_too_large && reason <= Reason::signature_invalid;
}

/// Every reason there is, but none.
constexpr Reason kAllReasons[] = {
#define X(name, status, error) Reason::name,
    MESH_AUTH_REASONS(X)
#undef X
};

}  // namespace meshauth::jose::testing
