// Whatever a value says, it stays one word of the directive that it was put into.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/text.h"
#include "core/render/auth_conf.h"
#include "core/render/plus.h"
#include "core/render/template.h"
#include "core/render/testing/hostile_values.h"
#include "core/render/testing/nginx_tokens.h"

namespace meshauth::render {
namespace {

using testing::read_directives;

std::string template_text(const std::string& name) {
  std::ostringstream text;
  text << std::ifstream(MESH_AUTH_SOURCE_DIR "/templates/" + name).rdbuf();
  REQUIRE(text.str().size() > 100);
  return text.str();
}

/// Values for every tag of nginx.conf.mustache: `hostile` for one of them.
nlohmann::json nginx_values(const std::string& at, const std::string& hostile) {
  const auto text = [&](const char* name) { return name == at ? hostile : std::string("plain"); };
  nlohmann::json server{{"http1", true}, {"grpc", true}, {"metadata", true}};
  for (const char* name : {"listen", "application", "port", "upstream"}) server[name] = text(name);
  nlohmann::json refusal{{"challenged", true}};
  for (const char* name : {"status", "name", "body_type", "body"}) refusal[name] = text(name);
  nlohmann::json out{{"by_module", true},
                     {"by_agent", true},
                     {"refusals", nlohmann::json::array({refusal})},
                     {"has_user", true},
                     {"has_path_allow", true},
                     {"has_resource_metadata", true},
                     {"servers", nlohmann::json::array({server})}};
  for (const char* name : {"user",
                           "workers",
                           "files",
                           "pid_file",
                           "module",
                           "connections",
                           "bundle_dir",
                           "trust_file",
                           "workload",
                           "agent",
                           "decisions",
                           "auth_conf",
                           "auth_grpc_conf",
                           "auth_digest_conf",
                           "token_cache",
                           "audit_allowed",
                           "mode",
                           "preflight",
                           "error_body",
                           "client_keepalive",
                           "metadata_file",
                           "metadata_path",
                           "path_allow",
                           "resource_metadata",
                           "temporary_body",
                           "temporary_proxy",
                           "temporary_fastcgi",
                           "temporary_uwsgi",
                           "temporary_scgi"}) {
    out[name] = text(name);
  }
  return out;
}

std::vector<std::string> tags_of_nginx_conf() {
  std::vector<std::string> out;
  const nlohmann::json values = nginx_values("", "");
  for (const auto& [name, value] : values.items()) {
    if (value.is_string()) out.push_back(name);
  }
  for (const char* list : {"servers", "refusals"}) {
    for (const auto& [name, value] : values[list][0].items()) {
      if (value.is_string()) out.push_back(name);
    }
  }
  return out;
}

/// For a test that asks nginx itself: MESH_AUTH_HOSTILE_OUT names a folder.
void leave_for_nginx(const std::vector<std::pair<std::string, std::string>>& quoted) {
  const char* folder = std::getenv("MESH_AUTH_HOSTILE_OUT");
  if (folder == nullptr) return;
  nlohmann::json out = nlohmann::json::array();
  for (const auto& [value, token] : quoted) out.push_back({{"value", value}, {"token", token}});
  std::ofstream(std::string(folder) + "/quoted.json") << out.dump();
}

}  // namespace

TEST_CASE("nginx's configuration is read as nginx reads it") {
  const auto read = read_directives("a b;# c\nd \"e;\\\"\" 'f g' ${h}i { j \\; k\\{\n; }\n");
  CAPTURE(read ? "" : read.error().message);
  REQUIRE(read);
  const std::vector<testing::Directive> wanted{
      {0, {"a", "b"}, false}, {0, {"d", "e;\"", "f g", "${h}i"}, true}, {1, {"j", "\\;", "k\\{"}, false}};
  CHECK(*read == wanted);
  for (const char* refused : {"a", "a b", "a {", "a; }", "a \"b\"c;", "{}", ";", "a \"b"}) {
    CAPTURE(refused);
    CHECK_FALSE(read_directives(refused));
  }
}

TEST_CASE("a hostile value is refused, or one word that means exactly that value") {
  std::vector<std::pair<std::string, std::string>> quoted;
  std::size_t refused = 0;
  for (const std::string& value : testing::hostile_values("plain-value.test")) {
    CAPTURE(in_quotes(value));
    const auto token = quote_nginx(value);
    if (!token) {
      CHECK(token.error().message.starts_with("value \""));
      CHECK(valid_utf8(token.error().message));
      ++refused;
      continue;
    }
    const auto read = read_directives("return 200 " + *token + ";");
    REQUIRE(read);
    REQUIRE(read->size() == 1);
    CHECK(read->front().words == std::vector<std::string>{"return", "200", value});
    quoted.emplace_back(value, *token);
  }
  CHECK(quoted.size() >= 300);
  CHECK(refused >= 100);
  leave_for_nginx(quoted);
}

TEST_CASE("a hostile value of any tag leaves nginx.conf's directives as they are") {
  const std::string text = template_text("nginx.conf.mustache");
  const auto plain = render_template(text, nginx_values("", ""));
  CAPTURE(plain ? "" : plain.error().message);
  REQUIRE(plain);
  const std::string wanted = testing::structure(*read_directives(*plain));
  for (const std::string& tag : tags_of_nginx_conf()) {
    CAPTURE(tag);
    for (const std::string& value : testing::hostile_pieces()) {
      const auto out = render_template(text, nginx_values(tag, value));
      if (!out) continue;
      CAPTURE(in_quotes(value));
      const auto read = read_directives(*out);
      REQUIRE(read);
      REQUIRE(testing::structure(*read) == wanted);
    }
  }
}

constexpr const char* kSent = "0 proxy_set_header 2\n";
constexpr const char* kAsked = "0 auth_request_set 2\n";

TEST_CASE("a hostile header name is refused, or a word of its own line of auth.conf") {
  const std::string text = template_text("auth.conf.mustache");
  for (const std::string& value : testing::hostile_values("X-User")) {
    CAPTURE(in_quotes(value));
    ProviderSettings provider;
    provider.forward_claims = {{{"email"}, "X-Mail"}, {{"sub"}, value}};
    for (const auto& [flavour, wanted] :
         {std::pair{model::Flavour::Module, std::string(kSent) + kSent},
          std::pair{model::Flavour::AuthRequest, std::string(kAsked) + kSent + kAsked + kSent}}) {
      const auto out = render_auth_conf(text, {provider}, flavour);
      if (!out) continue;
      const auto read = read_directives(*out);
      REQUIRE(read);
      CHECK(testing::structure(*read) == wanted);
    }
  }
}

/// One provider and one rule with the value in every place that reaches NGINX Plus's files.
Result<PlusText> plus_with(const std::string& value) {
  ProviderSettings provider;
  provider.id = "shop/okta";
  provider.issuer = value;
  provider.issuer_aliases = {value};
  provider.audiences = {value};
  provider.audience_claim = {value};
  provider.algorithms = {Algorithm::RS256};
  provider.token_types = {value};
  provider.token_sources = {{"authorization", "bearer", ""}};
  provider.mappings = {{value}, {{value}}, {{value}}, {}, {}};
  model::From from;
  from.provider = model::ProviderRef{"shop", "okta"};
  from.subjects = from.clients = from.scopes.all = from.scopes.any = {value};
  model::To to;
  to.methods = to.not_methods = {value};
  to.paths = to.not_paths = {"/" + value};
  to.hosts = to.not_hosts = {value};
  model::AccessPolicy policy;
  policy.meta = {"shop", "p", "u", 1};
  policy.rules = {{value, model::Action::Allow, {from}, {to}, {}}};
  return render_plus(
      {template_text("nginx-plus.http.conf.mustache"), template_text("nginx-plus.location.conf.mustache")}, {policy},
      {provider});
}

TEST_CASE("a hostile value is refused, or a word of its own line in what NGINX Plus reads") {
  const auto plain = plus_with("plain");
  REQUIRE(plain);
  // In a map the first word is a value: there only the number of words counts.
  const auto shape = [](std::vector<testing::Directive> directives) {
    for (testing::Directive& directive : directives) {
      if (directive.depth > 0) directive.words.front() = "key";
    }
    return testing::structure(directives);
  };
  const std::string http = shape(*read_directives(plain->http));
  for (const std::string& value : testing::hostile_values("plain")) {
    CAPTURE(in_quotes(value));
    const auto out = plus_with(value);
    if (!out) continue;
    const auto read = read_directives(out->http);
    REQUIRE(read);
    CHECK(shape(*read) == http);
    CHECK(out->location == plain->location);
  }
}

}  // namespace meshauth::render
