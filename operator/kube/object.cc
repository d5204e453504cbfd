#include "operator/kube/object.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace meshauth::kube {
namespace {

// Brackets outside of strings. Garbage is left for the parser to find.
bool too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxJsonDepth) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

std::string entry(const nlohmann::json& object, const char* map, std::string_view name) {
  const auto meta = object.find("metadata");
  if (meta == object.end() || !meta->is_object()) return {};
  const auto entries = meta->find(map);
  if (entries == meta->end() || !entries->is_object()) return {};
  const auto value = entries->find(name);
  return value != entries->end() && value->is_string() ? value->get<std::string>() : std::string();
}

bool number(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 20 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text) {
  if (too_deep(text)) return fail("JSON nested deeper than {}", kMaxJsonDepth);
  auto value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return fail("{} bytes that are not JSON", text.size());  // themselves they may be a secret
  return value;
}

std::string dump_json(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string metadata(const nlohmann::json& object, std::string_view name) {
  if (!object.is_object()) return {};
  const auto meta = object.find("metadata");
  if (meta == object.end() || !meta->is_object()) return {};
  const auto value = meta->find(name);
  return value != meta->end() && value->is_string() ? value->get<std::string>() : std::string();
}

std::string object_key(const nlohmann::json& object) {
  const std::string ns = metadata(object, "namespace");
  const std::string name = metadata(object, "name");
  return ns.empty() || name.empty() ? name : ns + "/" + name;
}

std::pair<std::string, std::string> split_key(std::string_view key) {
  const std::size_t slash = key.find('/');
  if (slash == std::string_view::npos) return {"", std::string(key)};
  return {std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
}

std::string label(const nlohmann::json& object, std::string_view name) {
  return entry(object, "labels", name);
}
std::string annotation(const nlohmann::json& object, std::string_view name) {
  return entry(object, "annotations", name);
}

bool version_older(std::string_view a, std::string_view b) noexcept {
  if (!number(a) || !number(b)) return false;
  while (a.starts_with('0') && a.size() > 1) a.remove_prefix(1);
  while (b.starts_with('0') && b.size() > 1) b.remove_prefix(1);
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

}  // namespace meshauth::kube
