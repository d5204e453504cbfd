// Dates of certificates, which are public.
#pragma once

#include <optional>
#include <string_view>

#include "cli/check/json_at.h"

namespace meshauth::cli::check {

struct Validity {
  Time from, until;
};

/// Of the certificate in PEM that ends last: while one replaces another, either will do. At most 16 are read. nullopt:
/// there is none, or one that cannot be read.
std::optional<Validity> validity_of(std::string_view pem);

}  // namespace meshauth::cli::check
