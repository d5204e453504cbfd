// Manifests: YAML text of one or more objects, read as YAML 1.2's core schema reads it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace meshauth::files {

struct ManifestLimits {
  std::size_t bytes = 4 * 1024 * 1024;
  std::size_t documents = 4096;
  std::size_t depth = 32;       ///< nested maps and lists, the outermost counted
  std::size_t nodes = 200'000;  ///< of all documents, an alias counted as often as it is used
};

/// The objects of all documents, empty documents passed over; those of a List (`kubectl get -o yaml` prints one) in its
/// place. Plain scalars are null, true, false, numbers or text as
/// section 10.3.2 of YAML 1.2 says (so `yes` and `0777` are a text and a decimal number); quoted ones are text. Errors
/// name the file and the line: what is no YAML, a key twice, `<<`, unknown tags, aliases of what is not finished, NaN
/// and infinities, a document or item of a List that is no object, and more than the limits.
Result<std::vector<nlohmann::json>> parse_manifests(std::string_view yaml, std::string_view file_name,
                                                    const ManifestLimits& limits = {});

}  // namespace meshauth::files
