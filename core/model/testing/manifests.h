// Manifests as a person writes them, in files and in pages, as the JSON that the API server makes of them. Never part
// of a program; the tests that include it link yaml-cpp.
#pragma once

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace meshauth::model::testing {

inline std::string read_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// A plain scalar of YAML 1.2's core schema (section 10.3.2).
inline nlohmann::json plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  const char* end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto [at, error] = std::from_chars(begin, end, integer); error == std::errc() && at == end) return integer;
  double number = 0;
  if (const auto [at, error] = std::from_chars(begin, end, number); error == std::errc() && at == end) return number;
  return text;
}

inline nlohmann::json to_json(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return node.Tag() == "!" ? nlohmann::json(node.Scalar()) : plain_scalar(node.Scalar());
    case YAML::NodeType::Sequence: {
      nlohmann::json out = nlohmann::json::array();
      for (const auto& item : node) out.push_back(to_json(item));
      return out;
    }
    case YAML::NodeType::Map: {
      nlohmann::json out = nlohmann::json::object();
      for (const auto& item : node) out[item.first.Scalar()] = to_json(item.second);
      return out;
    }
    default:
      return nullptr;
  }
}

/// Every document of the text that says anything.
inline std::vector<nlohmann::json> read_yaml(const std::string& text) {
  std::vector<nlohmann::json> out;
  for (const YAML::Node& node : YAML::LoadAll(text)) {
    if (!node.IsNull()) out.push_back(to_json(node));
  }
  return out;
}

/// What stands between ```yaml and ``` in a page, in order.
inline std::vector<std::string> yaml_blocks(std::string_view page) {
  constexpr std::string_view kOpen = "\n```yaml\n", kClose = "\n```\n";
  std::vector<std::string> out;
  for (auto at = page.find(kOpen); at != std::string_view::npos; at = page.find(kOpen, at)) {
    at += kOpen.size();
    const auto end = page.find(kClose, at);
    if (end == std::string_view::npos) break;
    out.emplace_back(page.substr(at, end + 1 - at));
    at = end;
  }
  return out;
}

}  // namespace meshauth::model::testing
