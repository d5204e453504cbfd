// A pod's JSON, of which nothing is known yet: it may come from a file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace meshauth::inject {

/// More containers, ports or volumes than any pod has.
inline constexpr std::size_t kMostItems = 256;

/// The member of an object; nullptr where it is absent or null, or where there is no object.
const nlohmann::json* member(const nlohmann::json& object, std::string_view name);

/// The string at that member, "" where there is none.
std::string text_at(const nlohmann::json& object, std::string_view name);

/// The member of metadata.labels or metadata.annotations, "" where there is none.
std::string label_at(const nlohmann::json& pod, std::string_view name);
std::string annotation_at(const nlohmann::json& pod, std::string_view name);

/// All that inject() looks at has the type that the API gives it, so that the rest need not ask. Errors name the field.
Status check_shape(const nlohmann::json& pod);

/// Both lists of containers, those that run from the start to the end first.
constexpr std::string_view kContainerLists[] = {"containers", "initContainers"};

}  // namespace meshauth::inject
