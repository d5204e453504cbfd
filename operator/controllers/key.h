// What a reconcile is about: one name, never an event.
#pragma once

#include <compare>
#include <string>
#include <vector>

namespace meshauth::controllers {

enum class Kind : std::uint8_t {
  Workload,  ///< namespace/name: its bundle and its record
  Policy,    ///< namespace/name: its status
  Provider,  ///< namespace/name: its key source and its status
  Source,    ///< id of a key source: its record
};

struct Key {
  Kind kind = Kind::Workload;
  std::string id;

  friend auto operator<=>(const Key&, const Key&) = default;
};

using Keys = std::vector<Key>;

/// The namespace of namespace/name.
inline std::string namespace_of(const std::string& id) {
  return id.substr(0, id.find('/'));
}

}  // namespace meshauth::controllers

template <>
struct std::hash<meshauth::controllers::Key> {
  std::size_t operator()(const meshauth::controllers::Key& key) const noexcept {
    return std::hash<std::string>()(key.id) * 4 + static_cast<std::size_t>(key.kind);
  }
};
