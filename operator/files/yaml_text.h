// Manifests as text: where one document ends, and an object written down.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace meshauth::files {

/// One document of a YAML file as it stands there, without the `---` before it.
struct DocumentText {
  std::string_view text;
  std::size_t line = 0;  ///< lines before it in the file
};

/// Views into `yaml`. Of a file without `---` the whole.
std::vector<DocumentText> split_documents(std::string_view yaml);

/// The object in YAML's block style, ending with a line feed; members in the order of their names. parse_manifests
/// reads the same object from it.
std::string to_yaml(const nlohmann::json& object);

}  // namespace meshauth::files
