// Members of objects that come from a cluster, of whatever shape they are.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace meshauth::cli::check {

using Time = std::chrono::sys_seconds;
using Path = std::initializer_list<std::string_view>;

/// The member that the path leads to; JSON null where it leads nowhere.
const nlohmann::json& at(const nlohmann::json& object, Path path);
std::string text_at(const nlohmann::json& object, Path path);                    ///< "" where there is no string
std::optional<std::int64_t> number_at(const nlohmann::json& object, Path path);  ///< an integer
std::optional<Time> time_at(const nlohmann::json& object, Path path);            ///< RFC 3339; fractions are dropped
/// The object of the list at the path whose member `key` is the text; null where there is none.
const nlohmann::json& entry_at(const nlohmann::json& object, Path path, std::string_view key, std::string_view value);

/// namespace/name of an object's metadata, or its name.
std::string id_of(const nlohmann::json& object);

/// As kubectl writes ages: 45s, 3m12s, 5h7m, 2d3h, 400d.
std::string age_text(std::chrono::seconds age);

}  // namespace meshauth::cli::check
