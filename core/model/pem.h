// PEM certificates (RFC 7468) of a resource.
#pragma once

#include <string_view>

#include "core/base/result.h"

namespace meshauth::model {

/// How many certificates the text holds, at least one. Errors: a certificate that does not decode.
Result<std::size_t> count_certificates(std::string_view pem);

}  // namespace meshauth::model
