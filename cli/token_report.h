// `token inspect` for a person.
#pragma once

#include <iosfwd>

#include "core/jose/inspect.h"

namespace meshauth::cli {

/// Header and claims as indented JSON (ASCII alone, so that a token cannot write to the terminal), dates as times, and
/// every check.
void print_inspection(const jose::Inspection& inspection, double now, std::ostream& out);

}  // namespace meshauth::cli
