#include "core/model/profiles.h"

namespace meshauth::model {
namespace {

constexpr std::string_view kTenantId = "{tenantid}";
constexpr std::string_view kEntraV1 = "https://sts.windows.net/";
constexpr std::string_view kEntraLogin = "https://login.microsoftonline.com/";

/// What RFC 9068 and OpenID Connect Core say, and most providers do.
ProfileDefaults generic() {
  ProfileDefaults out;
  out.audience_claim = {"aud"};
  out.token_types = {"at+jwt", "jwt", ""};
  out.token_sources = {{"authorization", "Bearer", ""}};
  out.mappings.subject = {"sub"};
  out.mappings.client = {{"azp"}, {"client_id"}};
  out.mappings.scopes = {{"scope"}, {"scp"}};
  out.mappings.groups = {{"groups"}};
  out.mappings.roles = {{"roles"}};
  return out;
}

}  // namespace

// What each case rests on is named in core/plan/testdata/vendors/*/SOURCE and told in docs/providers/.
ProfileDefaults defaults_of(Profile profile, std::string_view issuer) {
  ProfileDefaults out = generic();
  switch (profile) {
    case Profile::Generic:
      break;
    case Profile::Okta:  // access tokens have no typ; `scp` is a list
      out.mappings.client = {{"cid"}};
      out.mappings.scopes = {{"scp"}};
      break;
    case Profile::Auth0:  // either of its two token dialects; with RBAC on, `permissions` is what the user was granted
      out.token_types = {"at+jwt", "jwt"};
      out.mappings.client = {{"azp"}, {"client_id"}};
      out.mappings.scopes = {{"scope"}};
      out.mappings.roles = {{"permissions"}};
      break;
    case Profile::Cognito:  // access tokens have no aud; an ID token must not pass for one
      out.audience_claim = {"client_id"};
      out.required_claims = {{{"token_use"}, ClaimOperator::In, {"access"}}};
      out.mappings.client = {{"client_id"}};
      out.mappings.scopes = {{"scope"}};
      out.mappings.groups = {{"cognito:groups"}};
      out.mappings.roles = {{"cognito:roles"}};
      break;
    case Profile::Entra:  // `scp` is a string; v1 tokens name the client in appid, v2 tokens in azp
      out.token_types = {"at+jwt", "jwt"};
      out.mappings.client = {{"azp"}, {"appid"}};
      out.mappings.scopes = {{"scp"}};
      break;
    case Profile::Keycloak:  // claim typ tells access tokens from ID, refresh and logout tokens, and from DPoP-bound
                             // ones, whose proof nobody checks here; a client may ask for the word in lower case
      out.token_types = {"at+jwt", "jwt"};
      out.required_claims = {{{"typ"}, ClaimOperator::In, {"Bearer", "bearer"}}};
      out.mappings.client = {{"azp"}, {"client_id"}};
      out.mappings.scopes = {{"scope"}};
      out.mappings.roles = {{"realm_access", "roles"}};
      break;
    case Profile::Google:  // its ID tokens name the issuer with or without the scheme
      if (issuer == "https://accounts.google.com") out.issuer_aliases = {"accounts.google.com"};
      out.token_types = {"jwt"};
      out.mappings.client = {{"azp"}};
      break;
    case Profile::Kubernetes:  // the subject is system:serviceaccount:NAMESPACE:NAME; there are no scopes
      out.token_types = {"", "jwt"};
      out.mappings.client = {
          {"sub"}};  // a service account is its own client; its bare name alone would fit any namespace
      break;
    case Profile::Dex:  // azp only where one client asks for another's audience; then it is the client
      out.token_types = {"", "jwt"};
      out.mappings.client = {{"azp"}, {"aud"}};
      break;
  }
  return out;
}

std::string_view profile_name(Profile profile) noexcept {
  constexpr std::string_view kNames[] = {"",         "okta",   "auth0",      "cognito", "entra",
                                         "keycloak", "google", "kubernetes", "dex"};
  return kNames[static_cast<std::size_t>(profile)];
}

std::string default_discovery_url(std::string_view issuer, Profile profile) {
  if (issuer.ends_with('/')) issuer.remove_suffix(1);
  std::string url(issuer);
  if (profile == Profile::Entra) {
    if (url.starts_with(kEntraV1)) url.replace(0, kEntraV1.size(), kEntraLogin);
    if (const auto at = url.find(kTenantId); at != std::string::npos) url.replace(at, kTenantId.size(), "common");
  }
  return url + "/.well-known/openid-configuration";
}

}  // namespace meshauth::model
