#include "core/render/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <kainjow/mustache.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/base/text.h"

namespace meshauth::render {
namespace {

using kainjow::mustache::data;
using nlohmann::json;

constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/@-";

bool plain(std::string_view value) {
  return !value.empty() && value.find_first_not_of(kPlain) == value.npos;
}

/// The tags of a template by use.
struct Tags {
  std::map<std::string, std::vector<std::string>> names;  ///< all, sections too; each with a section around it
  std::set<std::string> parts;                            ///< those that are part of a longer token
};

bool ends_token(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == ';' || c == '{' || c == '}';
}

/// Walks the text as nginx's own tokenizer would (quotes, comments), and collects the tags.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Result<Tags> scan() {
    while (at_ < text_.size()) {
      if (text_.substr(at_, 2) == "{{") {
        if (auto tag = read_tag(); !tag) return tl::unexpected(tag.error());
      } else {
        plain_character();
      }
    }
    return std::move(tags_);
  }

 private:
  void plain_character() {
    const char c = text_[at_];
    if (c == '\n') ++line_;
    if (quote_ != '\0') {
      if (c == '\\') ++at_;
      if (c == quote_) quote_ = '\0';
    } else if (comment_) {
      comment_ = c != '\n';
    } else if (at_token_start() && (c == '"' || c == '\'')) {
      quote_ = c;
    } else if (at_token_start() && c == '#') {
      comment_ = true;
    }
    ++at_;
  }

  bool at_token_start() const { return at_ == 0 || ends_token(text_[at_ - 1]); }

  Status read_tag() {
    const auto close = text_.find("}}", at_);
    if (close == text_.npos) return fail("template line {}: a tag is not closed with }}}}", line_);
    std::string_view inner = text_.substr(at_ + 2, close - at_ - 2);
    const char kind = inner.empty() ? '\0' : inner.front();
    if (kind == '{' || kind == '&') {
      return fail("template line {}: {} is not escaped; only escaped tags such as {{{{name}}}} are allowed", line_,
                  in_quotes(text_.substr(at_, close + 2 - at_)));
    }
    if (kind == '>' || kind == '=')
      return fail("template line {}: partials and changed delimiters are not allowed", line_);
    const bool section = kind == '#' || kind == '^' || kind == '/';
    if (kind != '!') {
      if (section) inner.remove_prefix(1);
      const auto first = inner.find_first_not_of(' '), last = inner.find_last_not_of(' ');
      if (first == inner.npos) return fail("template line {}: a tag has no name", line_);
      const std::string name(inner.substr(first, last - first + 1));
      tags_.names.try_emplace(name, open_);
      if (kind == '#' || kind == '^') open_.push_back(name);
      if (kind == '/' && !open_.empty()) open_.pop_back();
      if (!section) {
        if (quote_ != '\0' || comment_) {
          return fail("template line {}: tag {} stands inside quotes or a comment; a tag makes its own quotes", line_,
                      name);
        }
        const std::string_view after = text_.substr(close + 2, 1);
        const bool alone = at_token_start() && (after.empty() || ends_token(after.front()));
        if (!alone) tags_.parts.insert(name);
      }
    }
    at_ = close + 2;
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  char quote_ = '\0';
  bool comment_ = false;
  std::vector<std::string> open_;  // sections around at_
  Tags tags_;
};

/// What the values have.
struct Seen {
  std::set<std::string> names{"."};
  std::set<std::string> empty;  ///< lists without an item, false, null: what stands in their sections is not rendered
};

/// Collects the names, and refuses strings under names that are parts of tokens.
Status check_values(const json& value, const Tags& tags, Seen& seen, const std::string& name = ".") {
  if (value.is_null() || value == false || (value.is_array() && value.empty())) seen.empty.insert(name);
  if (value.is_string() && tags.parts.contains(name) && !plain(value.get_ref<const std::string&>())) {
    return fail("value {} of {} would stand inside a longer nginx token; only letters, digits and _.:/@- may",
                in_quotes(value.get_ref<const std::string&>()), name);
  }
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) {
      seen.names.insert(key);
      if (auto good = check_values(item, tags, seen, key); !good) return good;
    }
  } else if (value.is_array()) {
    for (const json& item : value) {
      // A list of scalars is rendered through {{.}}.
      if (auto good = check_values(item, tags, seen, item.is_string() ? "." : name); !good) return good;
    }
  }
  return {};
}

data to_data(const json& value) {
  switch (value.type()) {
    case json::value_t::object: {
      data out;
      for (const auto& [key, item] : value.items()) out.set(key, to_data(item));
      return out;
    }
    case json::value_t::array: {
      data out{data::type::list};
      for (const json& item : value) out.push_back(to_data(item));
      return out;
    }
    case json::value_t::string:
      return data{value.get_ref<const std::string&>()};
    case json::value_t::boolean:
      return data{value.get<bool>() ? data::type::bool_true : data::type::bool_false};
    case json::value_t::null:
      return data{data::type::bool_false};
    default:
      return data{value.dump()};
  }
}

}  // namespace

Result<std::string> quote_nginx(std::string_view value) {
  if (plain(value)) return std::string(value);
  if (!valid_utf8(value)) return fail("value {} is not valid UTF-8", in_quotes(value));
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '$' || byte < 0x20 || byte == 0x7f) {
      return fail("value {} holds {}, which cannot be written into an nginx configuration", in_quotes(value),
                  c == '$' ? std::string("a $") : fmt::format("the control character \\x{:02x}", byte));
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
  return out;
}

Result<std::string> render_template(std::string_view text, const json& values) {
  auto tags = Scanner(text).scan();
  if (!tags) return tl::unexpected(tags.error());
  Seen seen;
  if (auto good = check_values(values, *tags, seen); !good) return tl::unexpected(good.error());
  for (const auto& [name, around] : tags->names) {
    const bool rendered =
        std::none_of(around.begin(), around.end(), [&](const auto& s) { return seen.empty.contains(s); });
    if (rendered && !seen.names.contains(name)) return fail("the template uses {}, which has no value", name);
  }
  kainjow::mustache::mustache parsed{std::string(text)};
  if (!parsed.is_valid()) return fail("the template is refused: {}", parsed.error_message());
  Status refused;
  parsed.set_custom_escape([&refused](const std::string& value) {
    auto token = quote_nginx(value);
    if (!token) {
      if (refused) refused = tl::unexpected(token.error());
      return std::string();
    }
    return *token;
  });
  std::string out = parsed.render(to_data(values));
  if (!refused) return tl::unexpected(refused.error());
  if (!parsed.is_valid()) return fail("the template is refused: {}", parsed.error_message());
  return out;
}

}  // namespace meshauth::render
