// A value in a template: first byte which tag of it, the rest the value. Rendered, it is one word that means exactly
// this text, and nginx finds the directives that it finds otherwise.
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/render/auth_conf.h"
#include "core/render/template.h"
#include "core/render/testing/nginx_tokens.h"
#include "fuzz/check.h"

using namespace meshauth;
using render::testing::Directive;

namespace {

/// Every way in which a tag stands in our templates: a word, the end of one, in a list, in a block, last in a line.
constexpr std::string_view kTemplate =
    "first {{a}};\n# a comment\nset {{b}} $mesh_auth_header_{{c}};\nblock {{d}} {\n  {{#items}}\n  item {{e}} \"a { ; "
    "}\" "
    "last;\n  {{/items}}\n  map $x $y { default \"\"; {{f}} 1; }\n}\n{{#off}}never {{a}};\n{{/off}}end \"{}\" "
    "{{a}}\n;\n";
constexpr const char* kTags[] = {"a", "b", "c", "d", "e", "f"};

Result<std::string> rendered(std::string_view tag, const std::string& value) {
  nlohmann::json values{{"off", false}, {"items", nlohmann::json::array({nlohmann::json::object()})}};
  for (const char* name : kTags) {
    nlohmann::json& holder = std::string_view(name) == "e" ? values["items"][0] : values;
    holder[name] = name == tag ? value : "plain";
  }
  return render::render_template(kTemplate, values);
}

std::vector<Directive> directives(const Result<std::string>& text) {
  FUZZ_CHECK(text);
  auto read = render::testing::read_directives(*text);
  FUZZ_CHECK(read);
  return std::move(*read);
}

/// Each word is what it was, or the value, or ends with it.
void check_words(const std::vector<Directive>& now, const std::vector<Directive>& plain, const std::string& value) {
  FUZZ_CHECK(now.size() == plain.size());
  for (std::size_t i = 0; i < now.size(); ++i) {
    FUZZ_CHECK(now[i].depth == plain[i].depth && now[i].block == plain[i].block);
    FUZZ_CHECK(now[i].words.size() == plain[i].words.size());
    for (std::size_t j = 0; j < now[i].words.size(); ++j) {
      const std::string &word = now[i].words[j], &before = plain[i].words[j];
      if (word != before) FUZZ_CHECK(before.ends_with("plain") && word == before.substr(0, before.size() - 5) + value);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Directive> plain = directives(rendered("", ""));
  if (size == 0) return 0;
  const char* tag = kTags[data[0] % std::size(kTags)];
  const std::string value(fuzz::text_of(data + 1, size - 1));
  const auto out = rendered(tag, value);
  if (!out) {
    FUZZ_CHECK(valid_utf8(out.error().message) && !out.error().message.empty());
  } else {
    check_words(directives(out), plain, value);
  }
  if (const auto token = render::quote_nginx(value)) {
    const auto read = render::testing::read_directives("a " + *token + ";");
    FUZZ_CHECK(read && read->size() == 1 && read->front().words == std::vector<std::string>({"a", value}));
  }
  return 0;
}
