// Objects of the API as JSON, and the few things that every object has.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace meshauth::kube {

/// An object as the API server gave it; shared by all readers, changed by none.
using Object = std::shared_ptr<const nlohmann::json>;

/// Deeper than any object of the API: the API server itself stops at 10,000, we much sooner.
inline constexpr std::size_t kMaxJsonDepth = 128;

/// One JSON value, at most kMaxJsonDepth deep, with nothing after it.
Result<nlohmann::json> parse_json(std::string_view text);

/// JSON for a request. Invalid UTF-8 is replaced by U+FFFD, which a request may not hold.
std::string dump_json(const nlohmann::json& value);

/// The string at metadata.NAME, "" where there is none.
std::string metadata(const nlohmann::json& object, std::string_view name);

/// "namespace/name", or "name" for an object of the cluster; "" without a name.
std::string object_key(const nlohmann::json& object);

/// The key's two halves; the namespace is empty for an object of the cluster.
std::pair<std::string, std::string> split_key(std::string_view key);

/// metadata.labels / metadata.annotations[name], "" where it is not.
std::string label(const nlohmann::json& object, std::string_view name);
std::string annotation(const nlohmann::json& object, std::string_view name);

/// True if both are decimal numbers and a < b. Resource versions of one kind compare so (KEP-5504); opaque ones never.
bool version_older(std::string_view a, std::string_view b) noexcept;

}  // namespace meshauth::kube
