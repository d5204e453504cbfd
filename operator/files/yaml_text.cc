#include "operator/files/yaml_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/text.h"

namespace meshauth::files {
namespace {

using nlohmann::json;

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Can the text stand without quotes and mean itself, for readers of YAML 1.1 too? Words of letters with what labels,
/// paths and images hold; no number, no date, no yes and no.
bool is_plain(std::string_view text) {
  if (text.empty() || text.size() > 120 ||
      (text.front() != '/' && kLetters.find(text.front()) == std::string_view::npos))
    return false;
  const std::string allowed = std::string(kLetters) + "0123456789-_./";
  if (text.find_first_not_of(allowed) != std::string_view::npos) return false;
  const std::string lower = to_lower(text);
  for (const char* word : {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}) {
    if (lower == word) return false;
  }
  return true;
}

/// Lines that a block scalar holds as they are: printable ASCII, no blank at the begin.
bool is_block(std::string_view text) {
  if (text.find('\n') == std::string_view::npos || text.front() == '\n' || text.front() == ' ') return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); });
}

/// In double quotes, as JSON and YAML both read it.
std::string quoted(const std::string& text) {
  std::string out = json(text).dump(-1, ' ', false, json::error_handler_t::replace);
  // Characters that JSON takes as they are and YAML does not (1.2, section 5.1).
  const std::pair<std::string_view, std::string_view> unprintable[] = {
      {"\x7f", "\\u007f"}, {"\xef\xbb\xbf", "\\ufeff"}, {"\xe2\x80\xa8", "\\u2028"}, {"\xe2\x80\xa9", "\\u2029"}};
  for (const auto& [raw, escape] : unprintable) {
    for (std::size_t at = 0; (at = out.find(raw, at)) != std::string::npos; at += escape.size())
      out.replace(at, raw.size(), escape);
  }
  for (std::size_t at = 0; (at = out.find('\xc2', at)) != std::string::npos; ++at) {
    const unsigned char second = at + 1 < out.size() ? static_cast<unsigned char>(out[at + 1]) : 0;
    if (second < 0xa0) out.replace(at, 2, fmt::format("\\u{:04x}", second));
  }
  return out;
}

class Writer {
 public:
  std::string take() { return std::move(out_); }

  /// What stands after "key:" or "-"; begins with the blank or the line feed that it needs.
  void value(const json& node, std::size_t indent) {
    if (node.is_object() && !node.empty()) {
      out_ += '\n';
      map(node, indent, false);
    } else if (node.is_array() && !node.empty()) {
      out_ += '\n';
      list(node, indent);
    } else {
      out_ += ' ';
      scalar(node, indent);
    }
  }

  /// started: the indent of the first member is there already.
  void map(const json& node, std::size_t indent, bool started) {
    for (const auto& [key, held] : node.items()) {
      if (!started) out_.append(indent, ' ');
      started = false;
      out_ += is_plain(key) ? key : quoted(key);
      out_ += ':';
      // A list in a map stands as far left as its key does, as kubectl writes it.
      value(held, held.is_array() ? indent : indent + 2);
    }
  }

 private:
  void list(const json& node, std::size_t indent) {
    for (const json& item : node) {
      out_.append(indent, ' ');
      out_ += '-';
      if (item.is_object() && !item.empty()) {
        out_ += ' ';
        map(item, indent + 2, true);
      } else {
        value(item, indent + 2);
      }
    }
  }

  void scalar(const json& node, std::size_t indent) {
    if (!node.is_string()) {
      out_ += node.dump() + '\n';  // numbers, true, false, null, [] and {}
      return;
    }
    const auto& text = node.get_ref<const std::string&>();
    if (is_block(text)) return block(text, indent);
    out_ += is_plain(text) ? text : quoted(text);
    out_ += '\n';
  }

  void block(std::string_view text, std::size_t indent) {
    const bool ends = text.ends_with('\n');
    const bool more = text.ends_with("\n\n");
    out_ += more ? "|+\n" : ends ? "|\n" : "|-\n";
    if (ends) text.remove_suffix(1);
    for (const auto line : split(text, '\n')) {
      if (!line.empty()) out_.append(std::max<std::size_t>(indent, 2), ' ');
      out_.append(line).append("\n");
    }
  }

  std::string out_;
};

bool starts_document(std::string_view line) {
  return line.starts_with("---") && (line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r');
}

}  // namespace

std::vector<DocumentText> split_documents(std::string_view yaml) {
  std::vector<DocumentText> out;
  std::size_t begin = 0, begin_line = 0, line = 0;
  for (std::size_t at = 0; at < yaml.size(); ++line) {
    const auto end = std::min(yaml.find('\n', at), yaml.size());
    if (starts_document(yaml.substr(at, end - at))) {
      if (at > begin) out.push_back({yaml.substr(begin, at - begin), begin_line});
      // What stands behind the dashes is of the document already.
      begin = at + 3;
      begin_line = line;
    }
    at = end + 1;
  }
  if (begin < yaml.size()) out.push_back({yaml.substr(begin), begin_line});
  return out;
}

std::string to_yaml(const json& object) {
  Writer writer;
  if (!object.is_object() || object.empty()) return object.dump() + '\n';
  writer.map(object, 0, false);
  return writer.take();
}

}  // namespace meshauth::files
