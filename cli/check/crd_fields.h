// The fields that a CRD has, to compare those of a cluster with those of this release.
#pragma once

#include <array>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>

namespace meshauth::cli::check {

inline constexpr std::string_view kVersion = "v1alpha1";

using Fields = std::set<std::string>;

/// Of a CustomResourceDefinition's version v1alpha1: "spec.rules[].name"; members of any name are {}.
Fields fields_of(const nlohmann::json& crd);

/// Of this release, by the definition's name.
const std::map<std::string, Fields>& our_fields();

/// The definitions of this release, as YAML.
extern const std::array<std::string_view, 2> kOurCrds;

}  // namespace meshauth::cli::check
