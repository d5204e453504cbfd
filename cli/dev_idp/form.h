// application/x-www-form-urlencoded, in bodies and in queries.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace meshauth::dev_idp {

/// A name that comes twice is an error, and so is a bad percent sign. At most 64 fields.
Result<std::map<std::string, std::string>> parse_form(std::string_view text);

}  // namespace meshauth::dev_idp
