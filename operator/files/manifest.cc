#include "operator/files/manifest.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>

#include "core/base/text.h"

namespace meshauth::files {
namespace {

using nlohmann::json;

/// Thrown through the YAML parser, which knows no other way to stop.
struct Fault {
  int line;  ///< from 0
  std::string message;
};

template <class... Args>
[[noreturn]] void refuse(const YAML::Mark& mark, fmt::format_string<Args...> format, Args&&... args) {
  throw Fault{mark.line, fmt::format(format, std::forward<Args>(args)...)};
}

bool all_in(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

bool control(char c) {
  return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r';
}

/// 0o17 and 0x1F; nullopt for anything else.
std::optional<std::uint64_t> based_integer(std::string_view text) {
  const bool hex = text.starts_with("0x") && all_in(text.substr(2), "0123456789abcdefABCDEF");
  const bool octal = text.starts_with("0o") && all_in(text.substr(2), "01234567");
  std::uint64_t value = 0;
  if (!hex && !octal) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), value, hex ? 16 : 8);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool is_number(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  const auto take = [&] {
    const auto end = std::min(text.find_first_not_of(kDigits), text.size());
    text.remove_prefix(end);
    return end;
  };
  const auto sign = [&] {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  };
  sign();
  std::size_t digits = take();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    digits += take();
  }
  if (digits == 0) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    sign();
    if (take() == 0) return false;
  }
  return text.empty();
}

json number(const YAML::Mark& mark, std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const char* end = digits.data() + digits.size();
  std::int64_t integer = 0;
  if (const auto [at, error] = std::from_chars(digits.data(), end, integer); error == std::errc() && at == end)
    return integer;
  std::uint64_t large = 0;
  if (const auto [at, error] = std::from_chars(digits.data(), end, large); error == std::errc() && at == end)
    return large;
  double real = 0;
  const auto [at, error] = std::from_chars(digits.data(), end, real);
  if (error != std::errc() || at != end || !std::isfinite(real))
    refuse(mark, "{} is a number that is too large", in_quotes(text));
  return real;
}

json plain_scalar(const YAML::Mark& mark, const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (const auto integer = based_integer(text)) return *integer;
  if (is_number(text)) return number(mark, text);
  std::string_view bare = text;
  if (bare.starts_with('-') || bare.starts_with('+')) bare.remove_prefix(1);
  for (const std::string_view word : {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"}) {
    if (bare == word) refuse(mark, "{} is no number of JSON; put quotes around it if it is a text", text);
  }
  return text;
}

json scalar(const YAML::Mark& mark, const std::string& tag, const std::string& text) {
  constexpr std::string_view kCore = "tag:yaml.org,2002:";
  if (tag == "!" || tag == "tag:yaml.org,2002:str") return text;
  if (tag.empty() || tag == "?") return plain_scalar(mark, text);
  const std::string_view name =
      std::string_view(tag).starts_with(kCore) ? std::string_view(tag).substr(kCore.size()) : "";
  json value = plain_scalar(mark, text);
  const bool fits = (name == "null" && value.is_null()) || (name == "bool" && value.is_boolean()) ||
                    (name == "int" && value.is_number_integer()) || (name == "float" && value.is_number());
  if (!fits) refuse(mark, "tag {} is not known, or does not fit its value; remove it", in_quotes(tag));
  return value;
}

/// Is the quote that opens at `begin` closed? yaml-cpp takes the end of the file for the closing quote, and a file that
/// was cut off must not pass.
bool quote_closes(std::string_view yaml, std::size_t begin) {
  const char quote = yaml[begin];
  for (std::size_t i = begin + 1; i < yaml.size(); ++i) {
    if (quote == '"' && yaml[i] == '\\') {
      ++i;
    } else if (yaml[i] == quote) {
      if (quote == '"' || i + 1 == yaml.size() || yaml[i + 1] != quote) return true;
      ++i;  // '' is one quote inside
    }
  }
  return false;
}

/// Builds JSON from the parser's events, so that limits hold before anything is built, and every fault has its line.
class Builder : public YAML::EventHandler {
 public:
  Builder(std::string_view yaml, const ManifestLimits& limits) : yaml_(yaml), limits_(limits) {}

  std::vector<json> take() { return std::move(documents_); }

  void OnDocumentStart(const YAML::Mark&) override {
    root_ = nullptr;
    anchors_.clear();
  }
  void OnDocumentEnd() override {
    if (root_.is_null()) return;
    if (!root_.is_object()) refuse(start_, "the document is no object; write apiVersion, kind, metadata and spec");
    if (documents_.size() == limits_.documents)
      refuse(start_, "more than {} documents; use several files", limits_.documents);
    documents_.push_back(std::move(root_));
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { leaf(mark, anchor, nullptr, "null"); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    // The file is UTF-8. Two escapes of YAML are read as a byte that is not: for \_ comes A0, for \N comes 85.
    if (!valid_utf8(text)) refuse(mark, "an escape \\_ or \\N is not read here; write \\u00a0 or \\u0085");
    const auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
    if (at < yaml_.size() && (yaml_[at] == '"' || yaml_[at] == '\'') && !quote_closes(yaml_, at)) {
      refuse(mark, "the quote that begins here is not closed");
    }
    leaf(mark, anchor, scalar(mark, tag, text), text);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto at = anchors_.find(anchor);
    if (at == anchors_.end()) refuse(mark, "the alias stands inside what it names");
    if (wants_key()) refuse(mark, "an alias cannot be a key");
    count(mark, at->second.nodes);
    check_depth(mark, at->second.depth);
    if (!stack_.empty()) stack_.back().height = std::max(stack_.back().height, at->second.depth + 1);
    place(json(at->second.value));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, "tag:yaml.org,2002:seq", anchor, json::array());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, "tag:yaml.org,2002:map", anchor, json::object());
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    json value;
    YAML::anchor_t anchor = 0;
    std::optional<std::string> key;
    std::size_t nodes_before = 0;
    std::size_t height = 1;
  };
  struct Anchored {
    json value;
    std::size_t nodes = 1, depth = 0;
  };

  bool wants_key() const { return !stack_.empty() && stack_.back().value.is_object() && !stack_.back().key; }

  void count(const YAML::Mark& mark, std::size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > limits_.nodes)
      refuse(mark, "more than {} values, those behind aliases counted; use several files", limits_.nodes);
  }

  void check_depth(const YAML::Mark& mark, std::size_t more) const {
    if (stack_.size() + more > limits_.depth) refuse(mark, "nested more than {} deep", limits_.depth);
  }

  void leaf(const YAML::Mark& mark, YAML::anchor_t anchor, json value, const std::string& text) {
    count(mark, 1);
    if (stack_.empty()) start_ = mark;
    if (wants_key()) {
      if (value.is_null()) refuse(mark, "a key is missing before the colon");
      if (text == "<<") refuse(mark, "`<<` merges maps in YAML 1.1 alone; write the members out");
      if (stack_.back().value.contains(text))
        refuse(mark, "key {} stands twice in one map; remove one", in_quotes(text));
      stack_.back().key = text;
      return;
    }
    if (anchor != 0) anchors_[anchor] = {value, 1, 0};
    place(std::move(value));
  }

  void open(const YAML::Mark& mark, const std::string& tag, std::string_view own_tag, YAML::anchor_t anchor,
            json value) {
    if (!tag.empty() && tag != "?" && tag != "!" && tag != own_tag)
      refuse(mark, "tag {} is not known; remove it", in_quotes(tag));
    if (wants_key()) refuse(mark, "a key must be a text");
    count(mark, 1);
    check_depth(mark, 1);
    if (stack_.empty()) start_ = mark;
    stack_.push_back({std::move(value), anchor, std::nullopt, nodes_ - 1, 1});
  }

  void close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    if (frame.anchor != 0) anchors_[frame.anchor] = {frame.value, nodes_ - frame.nodes_before, frame.height};
    if (!stack_.empty()) stack_.back().height = std::max(stack_.back().height, frame.height + 1);
    place(std::move(frame.value));
  }

  void place(json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (Frame& frame = stack_.back(); frame.value.is_array()) {
      frame.value.push_back(std::move(value));
    } else {
      frame.value[*frame.key] = std::move(value);
      frame.key.reset();
    }
  }

  const std::string_view yaml_;
  const ManifestLimits& limits_;
  std::vector<json> documents_;
  YAML::Mark start_;  ///< of the document's value
  json root_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
};

}  // namespace

namespace {

bool is_list(const json& object) {
  const auto kind = object.find("kind"), version = object.find("apiVersion"), items = object.find("items");
  return kind != object.end() && *kind == "List" && version != object.end() && *version == "v1" &&
         items != object.end() && items->is_array();
}

Result<std::vector<json>> without_lists(std::vector<json> objects, std::string_view file_name) {
  std::vector<json> out;
  for (json& object : objects) {
    if (!is_list(object)) {
      out.push_back(std::move(object));
      continue;
    }
    for (json& item : object["items"]) {
      if (!item.is_object())
        return fail("{}: items of a List: found {}, expected an object", file_name, item.type_name());
      out.push_back(std::move(item));
    }
  }
  return out;
}

}  // namespace

Result<std::vector<json>> parse_manifests(std::string_view yaml, std::string_view file_name,
                                          const ManifestLimits& limits) {
  if (yaml.size() > limits.bytes) {
    return fail("{}: {} bytes, allowed are {}; use several files", file_name, yaml.size(), limits.bytes);
  }
  if (!valid_utf8(yaml)) return fail("{}: is not UTF-8; save it as UTF-8", file_name);
  // No characters of YAML (1.2, section 5.1), but yaml-cpp takes them.
  if (const auto at = std::find_if(yaml.begin(), yaml.end(), control); at != yaml.end()) {
    return fail("{}:{}: holds the control character \\x{:02x}; remove it, or write it as an escape in double quotes",
                file_name, std::count(yaml.begin(), at, '\n') + 1, static_cast<unsigned char>(*at));
  }
  if (yaml.starts_with("\xef\xbb\xbf")) yaml.remove_prefix(3);  // a byte order mark
  Builder builder(yaml, limits);
  try {
    std::istringstream stream{std::string(yaml)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Fault& fault) {
    return fail("{}:{}: {}", file_name, fault.line + 1, fault.message);
  } catch (const YAML::Exception& error) {
    return fail("{}:{}: is no YAML here: {}", file_name, error.mark.line + 1, error.msg);
  }
  return without_lists(builder.take(), file_name);
}

}  // namespace meshauth::files
