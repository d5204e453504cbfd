#include "core/render/template.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "core/render/auth_conf.h"

namespace meshauth::render {
namespace {

TEST_CASE("a value becomes one nginx token that means exactly this text") {
  CHECK(*quote_nginx("127.0.0.1:8080") == "127.0.0.1:8080");
  CHECK(*quote_nginx("") == "\"\"");
  CHECK(*quote_nginx("a b") == "\"a b\"");
  CHECK(*quote_nginx("a\"; return 200;") == "\"a\\\"; return 200;\"");
  CHECK(*quote_nginx("back\\slash") == "\"back\\\\slash\"");
  CHECK(*quote_nginx("# no comment") == "\"# no comment\"");
}

TEST_CASE("what nginx cannot quote is refused with the reason") {
  CHECK(quote_nginx("a$b").error().message.find("a $") != std::string::npos);
  CHECK(quote_nginx("a\nb").error().message.find("control character") != std::string::npos);
  CHECK(quote_nginx("\xff").error().message.find("UTF-8") != std::string::npos);
}

TEST_CASE("a template renders sections and quotes by default") {
  const nlohmann::json values{{"servers", {{{"listen", "127.0.0.1:80"}, {"name", "a b"}}}}};
  const auto out = render_template("{{#servers}}\nlisten {{listen}};\nserver_name {{name}};\n{{/servers}}\n", values);
  REQUIRE(out.has_value());
  CHECK(*out == "listen 127.0.0.1:80;\nserver_name \"a b\";\n");
  CHECK(*render_template("a;{{#none}}b {{inner}};{{/none}}", {{"none", nlohmann::json::array()}}) == "a;");
}

TEST_CASE("templates that could open a hole are refused at load") {
  const nlohmann::json values{{"x", "v"}};
  struct Row {
    const char* text;
    const char* message;
  };
  const Row rows[] = {
      {"a {{{x}}};", "not escaped"},      {"a {{&x}};", "not escaped"},
      {"a {{>x}};", "partials"},          {"a {{=<% %>=}};", "partials"},
      {"a \"{{x}}\";", "inside quotes"},  {"# {{x}}\n", "inside quotes or a comment"},
      {"a {{y}};", "which has no value"}, {"a {{x;", "not closed"},
      {"a '{{x}}';", "inside quotes"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto out = render_template(row.text, values);
    REQUIRE_FALSE(out.has_value());
    CHECK(out.error().message.find(row.message) != std::string::npos);
  }
}

TEST_CASE("a tag inside a longer token takes plain values only") {
  CHECK(*render_template("set $h_{{x}} 1;", {{"x", "email"}}) == "set $h_email 1;");
  CHECK_FALSE(render_template("set $h_{{x}} 1;", {{"x", "e; return 200"}}).has_value());
}

TEST_CASE("auth.conf has one line per header that any provider forwards or removes") {
  ProviderSettings a, b;
  a.forward_claims = {{{"email"}, "X-User-Email"}};
  b.forward_claims = {{{"mail"}, "x-user-email"}, {{"sub"}, "X-User"}};
  b.forward_token = false;
  b.token_sources = {{"authorization", "Bearer", ""}};
  const auto out = render_auth_conf("{{#headers}}\nproxy_set_header {{header}} ${{variable}};\n{{/headers}}\n", {a, b},
                                    model::Flavour::Module);
  REQUIRE(out.has_value());
  CHECK(*out ==
        "proxy_set_header authorization $mesh_auth_header_authorization;\n"
        "proxy_set_header x-user $mesh_auth_header_x_user;\n"
        "proxy_set_header x-user-email $mesh_auth_header_x_user_email;\n");
}

TEST_CASE("each flavour has an auth.conf of its own, and the response header of a variable is its name with dashes") {
  ProviderSettings okta;
  okta.forward_claims = {{{"sub"}, "X-User"}};
  const std::string_view text =
      "{{#headers}}\n{{#asked}}auth_request_set ${{variable}} $upstream_http_{{variable}};\n{{/asked}}"
      "proxy_set_header {{header}} ${{variable}};\n{{/headers}}\n";
  const std::string line = "proxy_set_header x-user $mesh_auth_header_x_user;\n";
  CHECK(*render_auth_conf(text, {okta}, model::Flavour::Module) == line);
  CHECK(*render_auth_conf(text, {okta}, model::Flavour::AuthRequest) ==
        "auth_request_set $mesh_auth_header_x_user $upstream_http_mesh_auth_header_x_user;\n" + line);
  CHECK(header_answer("X-User") == "mesh-auth-header-x-user");
}

}  // namespace
}  // namespace meshauth::render
