// What both resources read the same way.
#pragma once

#include "core/base/claim.h"
#include "core/base/duration.h"
#include "core/model/reader.h"

namespace meshauth::model {

constexpr std::size_t kMostClaims = 8;
constexpr std::size_t kMostPathNames = 8;

/// apiVersion, kind and metadata of the object; the reader of its spec. An absent namespace is "default", as kubectl
/// has it.
ObjectReader open_resource(const nlohmann::json& object, std::string_view kind, Meta& meta, Faults& faults,
                           std::initializer_list<std::string_view> spec_fields);

/// A claim's path: 1 to 8 names; absent (nullptr) is empty.
ClaimPath read_claim_path(const nlohmann::json* value, const std::string& field, Faults& faults);

/// Claim conditions, at most 8; absent (nullptr) is empty.
std::vector<ClaimCondition> read_claim_conditions(const nlohmann::json* value, const std::string& field,
                                                  Faults& faults);

/// A duration within the bounds; `fallback` where absent (nullptr) or after a fault.
Seconds read_duration(const nlohmann::json* value, const std::string& field, Faults& faults, Seconds least,
                      Seconds most, Seconds fallback);

}  // namespace meshauth::model
