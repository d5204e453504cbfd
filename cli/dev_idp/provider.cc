#include "cli/dev_idp/provider.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/dev_idp/form.h"
#include "cli/dev_idp/minting.h"
#include "core/base/base64.h"
#include "core/base/digest.h"
#include "core/base/text.h"
#include "operator/http/url.h"

namespace meshauth::dev_idp {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<std::string_view, FailMode>, 8> kFailModes = {{
    {"off", FailMode::Off},
    {"down", FailMode::Down},
    {"html", FailMode::Html},
    {"500", FailMode::Status500},
    {"slow", FailMode::Slow},
    {"big", FailMode::Big},
    {"issuer", FailMode::Issuer},
    {"secret", FailMode::Secret},
}};

Answer json_answer(const json& body, int status = 200) {
  Answer answer;
  answer.status = status;
  answer.body = body.dump() + "\n";
  return answer;
}

/// The shape of RFC 6749 section 5.2, for every endpoint.
Answer refused(int status, std::string_view code, std::string_view description) {
  return json_answer({{"error", code}, {"error_description", description}}, status);
}

Answer not_allowed(std::string_view allow) {
  Answer answer = refused(405, "method_not_allowed", fmt::format("use {}", allow));
  answer.allow = allow;
  return answer;
}

/// What a query allows: at most one field, of this name.
Result<std::string> only_field(std::string_view query, const std::string& name) {
  const auto fields = parse_form(query);
  if (!fields) return tl::unexpected(fields.error());
  std::string value;
  for (const auto& [found, content] : *fields) {
    if (found != name) return fail("{} is unknown; there is only {}", in_quotes(found), name);
    value = content;
  }
  return value;
}

/// client_id of HTTP Basic (RFC 6749 section 2.3.1); any secret will do.
std::string basic_client(const std::string& authorization) {
  if (!iequals(std::string_view(authorization).substr(0, 6), "Basic ")) return "";
  const auto decoded = base64_decode(std::string_view(authorization).substr(6));
  return decoded ? decoded->substr(0, decoded->find(':')) : "";
}

std::string path_of(const std::string& issuer) {
  const auto url = http::Url::parse(issuer);
  std::string path = url ? url->target : "/";
  while (path.ends_with('/')) path.pop_back();
  return path;
}

std::string without_slash(std::string text) {
  if (text.ends_with('/')) text.pop_back();
  return text;
}

}  // namespace

std::optional<FailMode> fail_mode_from_name(std::string_view name) noexcept {
  for (const auto& [known, mode] : kFailModes) {
    if (known == name) return mode;
  }
  return std::nullopt;
}

std::string_view fail_mode_name(FailMode mode) noexcept {
  for (const auto& [name, known] : kFailModes) {
    if (known == mode) return name;
  }
  return "";
}

Provider::Provider(std::string issuer, KeyStore keys, std::string ca_pem, std::function<std::int64_t()> now)
    : issuer_(std::move(issuer)),
      base_path_(path_of(issuer_)),
      keys_(std::move(keys)),
      ca_pem_(std::move(ca_pem)),
      now_(std::move(now)) {}

Answer Provider::answer(const Ask& ask) {
  const auto mark = std::min(ask.target.find('?'), ask.target.size());
  std::string path = ask.target.substr(0, mark);
  const std::string_view query = std::string_view(ask.target).substr(std::min(mark + 1, ask.target.size()));
  // An issuer with a path has its documents below it; the switches are found at both places.
  if (!base_path_.empty() && path.starts_with(base_path_ + "/")) path.erase(0, base_path_.size());

  if (path == "/token") return ask.method == "POST" ? token(ask) : not_allowed("POST");
  if (path == "/rotate") return ask.method == "POST" ? rotate(query) : not_allowed("POST");
  if (path == "/fail") return ask.method == "POST" ? set_fail(query) : not_allowed("POST");
  if (path == "/ca.pem" && ask.method == "GET") {
    Answer answer;
    answer.content_type = "application/x-pem-file";
    answer.body = ca_pem_;
    return answer;
  }
  if (path == "/" && ask.method == "GET") return index();
  const bool document = path == "/.well-known/openid-configuration";
  if (!document && path != "/keys") return refused(404, "not_found", "GET / lists what there is");
  if (ask.method != "GET") return not_allowed("GET");
  if (auto failed = failure()) return std::move(*failed);
  Answer answer = document ? discovery() : key_set();
  answer.etag = "\"" + sha256_hex(answer.body).substr(0, 16) + "\"";
  if (ask.if_none_match == answer.etag) {
    answer.status = 304;
    answer.body.clear();
  }
  return answer;
}

std::optional<Answer> Provider::failure() const {
  Answer answer;
  switch (fail_) {
    case FailMode::Off:
    case FailMode::Issuer:
    case FailMode::Secret:
      return std::nullopt;
    case FailMode::Down:
      answer.manner = Answer::Manner::Hang;
      return answer;
    case FailMode::Html:
      answer.content_type = "text/html";
      answer.body = "<!doctype html><title>Sign in</title><p>Please sign in.\n";
      return answer;
    case FailMode::Status500:
      return refused(500, "server_error", "as POST /fail?mode=500 asked");
    case FailMode::Slow:
      answer.manner = Answer::Manner::Drip;
      return answer;
    case FailMode::Big:
      answer.manner = Answer::Manner::Flood;
      return answer;
  }
  return std::nullopt;
}

Answer Provider::discovery() const {
  const std::string base = without_slash(issuer_);
  return json_answer({{"issuer", fail_ == FailMode::Issuer ? "https://another-issuer.example" : issuer_},
                      {"jwks_uri", base + "/keys"},
                      {"token_endpoint", base + "/token"},
                      {"grant_types_supported", {"client_credentials"}},
                      {"response_types_supported", json::array()},
                      {"subject_types_supported", {"public"}},
                      {"id_token_signing_alg_values_supported", {"RS256", "ES256", "EdDSA"}}});
}

Answer Provider::key_set() const {
  json keys = json::array();
  for (const SigningKey& key : keys_.keys()) keys.push_back(key.public_jwk());
  // Not a real private key: no key of this provider ever leaves it.
  if (fail_ == FailMode::Secret) keys.back()["d"] = base64url_encode("this would be the private part!!");
  return json_answer({{"keys", keys}});
}

Answer Provider::token(const Ask& ask) const {
  const std::string type = to_lower(std::string_view(ask.content_type).substr(0, ask.content_type.find(';')));
  return type == "application/x-www-form-urlencoded" ? token_from_form(ask) : token_from_json(ask.body);
}

Answer Provider::token_from_json(const std::string& body) const {
  const auto request = parse_mint_request(body);
  if (!request) return refused(400, "invalid_request", request.error().message);
  const auto token = mint(*request, keys_, issuer_, now_());
  if (!token) return refused(400, "invalid_request", token.error().message);
  return json_answer({{"access_token", *token}, {"token_type", "Bearer"}, {"expires_in", request->expires_in}});
}

Answer Provider::token_from_form(const Ask& ask) const {
  const auto form = parse_form(ask.body);
  if (!form) return refused(400, "invalid_request", form.error().message);
  MintRequest request;
  request.header["typ"] = "at+jwt";  // RFC 9068
  std::string client = basic_client(ask.authorization);
  std::string grant;
  for (const auto& [name, value] : *form) {
    if (name == "grant_type") {
      grant = value;
    } else if (name == "client_id") {
      client = value;
    } else if (name == "scope") {
      request.claims["scope"] = value;
    } else if (name == "audience" || name == "resource") {
      request.claims["aud"] = value;
    } else if (name != "client_secret") {  // any will do: this provider knows no clients
      return refused(400, "invalid_request",
                     fmt::format("{} is unknown; there are grant_type client_id client_secret scope audience resource",
                                 in_quotes(name)));
    }
  }
  if (grant != "client_credentials") return refused(400, "unsupported_grant_type", "use client_credentials");
  if (client.empty() || !valid_utf8(client)) return refused(401, "invalid_client", "client_id is missing");
  request.claims["sub"] = client;
  request.claims["client_id"] = client;
  const auto token = mint(request, keys_, issuer_, now_());
  if (!token) return refused(400, "invalid_request", token.error().message);
  json body = {{"access_token", *token}, {"token_type", "Bearer"}, {"expires_in", request.expires_in}};
  if (request.claims.contains("scope")) body["scope"] = request.claims["scope"];
  return json_answer(body);
}

Answer Provider::rotate(std::string_view query) {
  const auto drop = only_field(query, "drop");
  if (!drop || (!drop->empty() && *drop != "old"))
    return refused(400, "invalid_request", drop ? "drop can only be old" : drop.error().message);
  if (const Status rotated = keys_.rotate(*drop == "old"); !rotated)
    return refused(500, "server_error", rotated.error().message);
  json published = json::array(), signing = json::object();
  for (const SigningKey& key : keys_.keys()) {
    published.push_back(key.kid());
    signing[std::string(key_kind_name(key.kind()))] = key.kid();  // the newest comes last
  }
  return json_answer({{"published", published}, {"signing", signing}});
}

Answer Provider::set_fail(std::string_view query) {
  const auto name = only_field(query, "mode");
  const auto mode = name ? fail_mode_from_name(*name) : std::nullopt;
  if (!mode) return refused(400, "invalid_request", "mode must be one of down html 500 slow big issuer secret off");
  fail_ = *mode;
  return json_answer({{"mode", fail_mode_name(fail_)}});
}

Answer Provider::index() const {
  return json_answer({{"warning", "DEVELOPMENT ONLY: signs any claims for anybody"},
                      {"issuer", issuer_},
                      {"fail", fail_mode_name(fail_)},
                      {"endpoints",
                       {"GET /.well-known/openid-configuration", "GET /keys", "GET /ca.pem",
                        "POST /token {\"claims\":{},\"alg\":\"RS256\",\"expiresIn\":300,\"kid\":\"\",\"header\":{}}",
                        "POST /token grant_type=client_credentials&client_id=&scope=&audience=",
                        "POST /rotate[?drop=old]", "POST /fail?mode=down|html|500|slow|big|issuer|secret|off"}}});
}

}  // namespace meshauth::dev_idp
