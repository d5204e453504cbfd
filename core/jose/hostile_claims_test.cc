// Hostile tokens: claims, keys and signatures.
#include "core/jose/testing/hostile.h"

namespace meshauth::jose::testing {
namespace {

std::string with_signature(const std::string& token, const std::string& signature) {
  return token.substr(0, token.rfind('.') + 1) + base64url_encode(signature);
}

std::string signature_of(const std::string& token) {
  return *base64url_decode(token.substr(token.rfind('.') + 1));
}

void add_issuers(HostileList& out) {
  for (const std::string iss : {"https://idp/",
                                "https://idp ",
                                " https://idp",
                                "https://IDP",
                                "HTTPS://idp",
                                "http://idp",
                                "https://idp:443",
                                "https://idp#",
                                "https://idp#x",
                                "https://idp?",
                                "https://idp/.",
                                "https://idp.",
                                "https://idp@evil",
                                "https://evil@idp",
                                "https://idp.evil",
                                "https://evil/https://idp",
                                "idp",
                                "",
                                "https://idp\\u0000",
                                "https://idp\\u0000.evil",
                                "https://id\\u0440",
                                "https:\\\\idp",
                                "https://idp\\n",
                                "*",
                                "https://*",
                                "null",
                                "https://%69dp"}) {
    out.push_back({"iss-" + iss,
                   "RFC 7519 section 4.1.1, RFC 8725 section 3.8",
                   Reason::issuer_unknown,
                   claims("https://idp", iss),
                   {}});
  }
  for (const std::string iss : {"null", "1", "true", R"(["https://idp"])", R"({"https://idp":1})", "[]"}) {
    out.push_back({"iss-type-" + iss,
                   "RFC 7519 section 4.1.1, CVE-2024-53861, CVE-2025-30144",
                   Reason::issuer_unknown,
                   claims(R"("https://idp")", iss),
                   {}});
  }
  out.push_back(
      {"iss-missing", "RFC 8725 section 3.8", Reason::issuer_unknown, claims(R"("iss":"https://idp",)", ""), {}});
  out.push_back(
      {"iss-other-case-member", "RFC 7519 section 4", Reason::issuer_unknown, claims(R"("iss")", R"("Iss")"), {}});
  out.push_back({"iss-in-header", "RFC 7519 section 5.3", Reason::issuer_unknown,
                 header_plus(R"("iss":"https://idp")", claims(R"("iss":"https://idp",)", "")),
                 header_plus(R"("iss":"https://idp")")});
}

void add_tenants(HostileList& out) {
  const auto of = [](const std::string& iss, const std::string& tid, Draft draft = {}) {
    return claims_plus("\"tid\":" + tid, claims("https://idp", iss, std::move(draft)));
  };
  const Draft twin = of("https://login/t-1/v2.0", R"("t-1")");
  const std::tuple<std::string, Reason, std::string, std::string> cases[] = {
      {"other-tenant", Reason::claim_required, "https://login/t-2/v2.0", R"("t-2")"},
      {"not-its-tid", Reason::issuer_unknown, "https://login/t-1/v2.0", R"("t-2")"},
      {"not-its-issuer", Reason::issuer_unknown, "https://login/t-2/v2.0", R"("t-1")"},
      {"literal-template", Reason::issuer_unknown, "https://login/{tenantid}/v2.0", R"("t-1")"},
      {"template-as-tid", Reason::claim_required, "https://login/{tenantid}/v2.0", R"("{tenantid}")"},
      {"empty-tid", Reason::issuer_unknown, "https://login//v2.0", R"("")"},
      {"list-tid", Reason::issuer_unknown, "https://login/t-1/v2.0", R"(["t-1"])"},
      {"null-tid", Reason::issuer_unknown, "https://login/t-1/v2.0", "null"},
      {"slash-tid", Reason::claim_required, "https://login/t-1/../t-9/v2.0", R"("t-1/../t-9")"},
      {"prefix", Reason::issuer_unknown, "https://login/t-1", R"("t-1")"},
      {"other-suffix", Reason::issuer_unknown, "https://login/t-1/v3.0", R"("t-1")"},
      {"other-prefix", Reason::issuer_unknown, "https://logic/t-1/v2.0", R"("t-1")"},
      {"suffix", Reason::issuer_unknown, "https://login/t-1/v2.0/", R"("t-1")"},
  };
  for (const auto& [name, reason, iss, tid] : cases) {
    out.push_back({"tenant-" + name, "RFC 8725 section 3.8", reason, of(iss, tid), twin, "tenants"});
  }
  out.push_back({"tenant-missing-tid", "RFC 8725 section 3.8", Reason::issuer_unknown,
                 claims("https://idp", "https://login/t-1/v2.0"), twin, "tenants"});
  Draft foreign = of("https://login/t-1/v2.0", R"("t-1")", header("\"es256\"", "\"foreign\""));
  foreign.signed_by = "es256-9";
  out.push_back({"tenant-key-of-another", "RFC 8725 section 3.8", Reason::issuer_unknown, foreign, twin, "tenants"});
}

void add_audiences(HostileList& out) {
  for (const std::string aud : {R"("API")",
                                R"("api ")",
                                R"(" api")",
                                R"("ap")",
                                R"("apis")",
                                R"("api/")",
                                R"("")",
                                R"("*")",
                                R"("api\u0000")",
                                "[]",
                                "null",
                                "1",
                                "true",
                                "{}",
                                R"({"api":true})",
                                R"(["x"])",
                                R"([["api"]])",
                                R"(["api",1])",
                                R"(["api",null])",
                                R"([{"api":1}])",
                                R"("api,other-api")",
                                R"("api other-api")",
                                R"(["api "])",
                                R"(["","x"])"}) {
    out.push_back({"aud-" + aud, "RFC 7519 section 4.1.3, RFC 8725 section 3.9, CVE-2020-26160",
                   Reason::audience_mismatch, claims(R"("api")", aud), claims(R"("api")", R"(["x","api"])")});
  }
  out.push_back({"aud-missing", "RFC 9068 section 4", Reason::audience_mismatch, claims(R"("aud":"api",)", ""), {}});
  out.push_back({"aud-in-azp", "RFC 9068 section 4", Reason::audience_mismatch, claims(R"("aud")", R"("azp")"), {}});
}

void add_times(HostileList& out) {
  const auto add = [&](const std::string& id, const std::string& source, Reason reason, Draft hostile, Draft twin = {},
                       const std::string& world = "plain") {
    out.push_back({id, source, reason, std::move(hostile), std::move(twin), world});
  };
  for (const std::string date :
       {"\"2000\"", R"("")", "null", "true", "[2000]", "{}", "-1", "-0.1", "-9223372036854775808", "9007199254740992",
        "9007199254740993.0", "18446744073709551615", "1e16", "1e300", "1e400", "-1e400",
        "99999999999999999999999999"}) {
    for (const std::string name : {"exp", "nbf", "iat"}) {
      const Draft draft = name == "exp"   ? claims("2000", date)
                          : name == "iat" ? claims("900", date)
                                          : claims_plus("\"nbf\":" + date);
      add("date-" + name + "-" + date, "RFC 7519 section 2 (NumericDate)", Reason::numericdate_invalid, draft,
          claims_plus("\"nbf\":9e2"));
    }
  }
  add("exp-missing", "RFC 9068 section 2.2", Reason::exp_missing, claims(R"("exp":2000,)", ""));
  add("exp-other-case", "RFC 7519 section 4", Reason::exp_missing, claims(R"("exp")", R"("Exp")"));
  add("exp-in-header", "RFC 7519 section 5.3", Reason::exp_missing,
      header_plus(R"("exp":2000)", claims(R"("exp":2000,)", "")), header_plus(R"("exp":2000)"));
  add("exp-now", "RFC 7519 section 4.1.4", Reason::expired, claims("2000", "1000"), claims("2000", "1001"));
  add("exp-just-before-now", "RFC 7519 section 4.1.4", Reason::expired, claims("2000", "999.9"),
      claims("2000", "1000.1"));
  add("exp-zero", "RFC 7519 section 4.1.4", Reason::expired, claims("2000", "0"));
  add("exp-exponent", "RFC 7519 section 4.1.4", Reason::expired, claims("2000", "1e2"), claims("2000", "1e4"));
  add("nbf-later", "RFC 7519 section 4.1.5", Reason::not_yet_valid, claims_plus(R"("nbf":1001)"),
      claims_plus(R"("nbf":1000)"));
  add("nbf-fraction", "RFC 7519 section 4.1.5", Reason::not_yet_valid, claims_plus(R"("nbf":1000.5)"),
      claims_plus(R"("nbf":999.5)"));
  add("nbf-after-exp", "RFC 7519 section 4.1.5", Reason::not_yet_valid, claims_plus(R"("nbf":3000)"));
  add("iat-later", "RFC 7519 section 4.1.6", Reason::issued_in_future, claims("900", "1001"), claims("900", "1000"));
  const Draft strict = header("JWT", "at+jwt", claims_plus(R"("token_use":"access")"));
  add("lifetime-too-long", "RFC 7519 section 4.1.6", Reason::lifetime_too_long, claims("900", "799", strict),
      claims("900", "800", strict), "strict");
  add("lifetime-of-ages", "RFC 7519 section 4.1.6", Reason::lifetime_too_long,
      claims("2000", "9007199254740991", strict), strict, "strict");
  add("lifetime-unknown", "RFC 7519 section 4.1.6", Reason::claim_required, claims(R"("iat":900,)", "", strict), strict,
      "strict");
  for (const std::string use : {R"("id")", R"("Access")", R"("")", "null", "[]", R"(["id"])", R"({"access":1})"}) {
    add("required-claim-" + use, "RFC 8725 section 3.12", Reason::claim_required, claims(R"("access")", use, strict),
        strict, "strict");
  }
  add("required-claim-missing", "RFC 8725 section 3.12", Reason::claim_required,
      claims(R"(,"token_use":"access")", "", strict), strict, "strict");
}

void add_key_choice(HostileList& out) {
  for (const std::string kid :
       {"ES256", "es256 ", "", "../../../../dev/null", "es256\\u0000", "' OR '1'='1",
        "/proc/sys/kernel/randomize_va_space", "https://evil/jwks", "*", "0", "es256,rsa", "kid|cat /etc/passwd"}) {
    out.push_back({"kid-unknown-" + kid,
                   "RFC 8725 section 3.10",
                   Reason::kid_unknown,
                   header("\"es256\"", "\"" + kid + "\""),
                   {},
                   "few"});
  }
  for (const std::string kid : {"null", "1", "true", "[]", R"(["es256"])", "{}"}) {
    out.push_back(
        {"kid-type-" + kid, "RFC 7515 section 4.1.4", Reason::kid_unknown, header("\"es256\"", kid), {}, "few"});
  }
  out.push_back({"kid-where-keys-have-none",
                 "RFC 7515 section 4.1.4",
                 Reason::kid_unknown,
                 {},
                 header(R"("kid":"es256",)", ""),
                 "nameless"});
  out.push_back({"kid-missing-and-no-key-fits",
                 "RFC 7515 section 4.1.4",
                 Reason::kid_missing_no_key,
                 signed_by("es384", "ES384", Algorithm::ES384, {}),
                 {},
                 "few"});
  out.back().hostile.header = R"({"alg":"ES384"})";
  out.push_back({"kid-of-two-keys",
                 "RFC 7517 section 4.5",
                 Reason::kid_ambiguous,
                 header("\"es256\"", "\"twice\""),
                 {},
                 "ambiguous"});
  Draft second = header("\"es256\"", "\"twice\"");
  second.signed_by = "es256-1";
  out.push_back(
      {"kid-of-two-keys-signed-by-the-second", "RFC 7517 section 4.5", Reason::kid_ambiguous, second, {}, "ambiguous"});
  Draft swapped = header("\"es256\"", "\"rsa\"");
  out.push_back({"kid-of-another-key", "RFC 7515 section 4.1.4", Reason::alg_key_mismatch, swapped, {}});

  // The key that the header brings along is the one that signed: it must not be looked at.
  const TestKey& evil = key("es256-evil");
  const std::string jwk = evil.jwk({{"kid", "es256"}});
  const std::pair<std::string, std::string> members[] = {
      {"jwk", "\"jwk\":" + jwk},
      {"jku", R"("jku":"https://evil/jwks")"},
      {"x5u", R"("x5u":"https://evil/cert")"},
      {"x5c", R"("x5c":["MIIB"])"},
      {"x5t", R"("x5t":"AA")"},
      {"x5t#S256", R"("x5t#S256":"AA")"},
      {"jwk-and-jku", "\"jwk\":" + jwk + R"(,"jku":"https://evil")"},
  };
  for (const auto& [name, member] : members) {
    Draft forged = header_plus(member);
    forged.signed_by = "es256-evil";
    out.push_back({"header-key-" + name, "RFC 7515 sections 4.1.2 to 4.1.8, CVE-2018-0114, CVE-2026-27962",
                   Reason::signature_invalid, forged, header_plus(member)});
    Draft nameless = forged;
    nameless.header = edit(nameless.header, R"("kid":"es256",)", "");
    out.push_back({"header-key-without-kid-" + name, "RFC 7515 section 4.1.3, CVE-2018-0114", Reason::signature_invalid,
                   nameless, header_plus(member)});
    Draft own = header("\"es256\"", "\"evil\"", forged);
    out.push_back({"header-key-with-own-kid-" + name, "RFC 7515 section 4.1.3, CVE-2018-0114", Reason::kid_unknown, own,
                   header_plus(member)});
  }
}

void add_signatures(HostileList& out) {
  const std::tuple<std::string, std::string, Algorithm> algorithms[] = {
      {"rsa", "RS256", Algorithm::RS256},   {"rsa", "RS384", Algorithm::RS384},
      {"rsa", "RS512", Algorithm::RS512},   {"rsa", "PS256", Algorithm::PS256},
      {"rsa", "PS384", Algorithm::PS384},   {"rsa", "PS512", Algorithm::PS512},
      {"es256", "ES256", Algorithm::ES256}, {"es384", "ES384", Algorithm::ES384},
      {"es512", "ES512", Algorithm::ES512}, {"ed25519", "EdDSA", Algorithm::EdDSA},
      {"ed448", "EdDSA", Algorithm::EdDSA}};
  const std::pair<std::string, std::string (*)(std::string)> spoilers[] = {
      {"empty", [](std::string) { return std::string(); }},
      {"zeros", [](std::string s) { return std::string(s.size(), '\0'); }},
      {"ones", [](std::string s) { return std::string(s.size(), '\xff'); }},
      {"first-bit",
       [](std::string s) {
         s[0] = static_cast<char>(s[0] ^ 1);
         return s;
       }},
      {"last-bit",
       [](std::string s) {
         s.back() = static_cast<char>(s.back() ^ 0x80);
         return s;
       }},
      {"shorter",
       [](std::string s) {
         s.pop_back();
         return s;
       }},
      {"longer", [](std::string s) { return s + '\0'; }},
      {"longer-before", [](std::string s) { return '\0' + s; }},
      {"twice", [](std::string s) { return s + s; }},
      {"half", [](std::string s) { return s.substr(0, s.size() / 2); }},
      {"halves-swapped", [](std::string s) { return s.substr(s.size() / 2) + s.substr(0, s.size() / 2); }},
      {"reversed", [](std::string s) { return std::string(s.rbegin(), s.rend()); }},
  };
  for (const auto& [kid, alg, as] : algorithms) {
    const Draft good = signed_by(kid, alg, as);
    const std::string name = alg + "-" + kid;
    for (const auto& [how, spoil] : spoilers) {
      const auto make = spoil;
      out.push_back(
          {"signature-" + name + "-" + how, "RFC 7515 section 5.2, RFC 8725 section 3.3", Reason::signature_invalid,
           spoilt([make](std::string token) { return with_signature(token, make(signature_of(token))); }, good), good});
    }
    Draft stranger = good;
    stranger.signed_by = kid + "-stranger";
    out.push_back(
        {"signature-" + name + "-of-a-stranger", "RFC 7515 section 5.2", Reason::signature_invalid, stranger, good});
    const Draft other = claims("alice", "root", good);
    out.push_back(
        {"signature-" + name + "-of-other-claims", "RFC 7515 section 5.2", Reason::signature_invalid,
         spoilt([other](std::string token) { return with_signature(token, signature_of(other.token())); }, good),
         good});
  }
}

void add_ecdsa(HostileList& out) {
  for (const auto& [kid, alg, as] : {std::tuple{"es256", "ES256", Algorithm::ES256},
                                     {"es384", "ES384", Algorithm::ES384},
                                     {"es512", "ES512", Algorithm::ES512}}) {
    const Draft good = signed_by(kid, alg, as);
    const std::string name = alg;
    const auto add = [&](const std::string& how, const std::string& source,
                         std::function<std::string(const std::string&)> make) {
      out.push_back(
          {"ecdsa-" + name + "-" + how, source, Reason::signature_invalid,
           spoilt([make](std::string token) { return with_signature(token, make(signature_of(token))); }, good), good});
    };
    add("der", "RFC 7518 section 3.4", [](const std::string& s) { return TestKey::der_of(s); });
    add("r-is-zero", "CVE-2022-21449",
        [](const std::string& s) { return std::string(s.size() / 2, '\0') + s.substr(s.size() / 2); });
    add("s-is-zero", "CVE-2022-21449",
        [](const std::string& s) { return s.substr(0, s.size() / 2) + std::string(s.size() / 2, '\0'); });
    add("r-and-s-are-one", "CVE-2022-21449", [](const std::string& s) {
      std::string half(s.size() / 2, '\0');
      half.back() = '\1';
      return half + half;
    });
    add("r-too-large", "FIPS 186-5 section 6.4.2",
        [](const std::string& s) { return std::string(s.size() / 2, '\xff') + s.substr(s.size() / 2); });
    add("s-too-large", "FIPS 186-5 section 6.4.2",
        [](const std::string& s) { return s.substr(0, s.size() / 2) + std::string(s.size() / 2, '\xff'); });
    add("padded-halves", "RFC 7518 section 3.4",
        [](const std::string& s) { return '\0' + s.substr(0, s.size() / 2) + '\0' + s.substr(s.size() / 2); });
  }
  for (const auto& [alg, as] :
       {std::pair{"PS256", Algorithm::PS256}, {"PS384", Algorithm::PS384}, {"PS512", Algorithm::PS512}}) {
    const Draft good = signed_by("rsa", alg, as);
    for (const int salt : {0, 20, 33}) {
      const auto algorithm = as;
      out.push_back({std::string("pss-") + alg + "-salt-" + std::to_string(salt), "RFC 7518 section 3.5",
                     Reason::signature_invalid,
                     spoilt(
                         [algorithm, salt](std::string token) {
                           return with_signature(token,
                                                 key("rsa").sign(algorithm, token.substr(0, token.rfind('.')), salt));
                         },
                         good),
                     good});
    }
  }
}

}  // namespace

HostileList hostile_keys() {
  HostileList out;
  add_key_choice(out);
  return out;
}

HostileList hostile_claims() {
  HostileList out;
  add_issuers(out);
  add_tenants(out);
  add_audiences(out);
  add_times(out);
  return out;
}

HostileList hostile_signatures() {
  HostileList out;
  add_signatures(out);
  add_ecdsa(out);
  return out;
}

}  // namespace meshauth::jose::testing
