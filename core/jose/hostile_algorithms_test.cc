// Hostile tokens: algorithms, and header members that change what is signed.
#include <openssl/evp.h>

#include "core/jose/testing/hostile.h"

namespace meshauth::jose::testing {
namespace {

/// The token with its signature replaced by HMAC-SHA256 under a secret that everybody knows.
std::string hmac_signed(const std::string& token, const std::string& secret) {
  const std::string input = token.substr(0, token.rfind('.'));
  std::string mac(EVP_MAX_MD_SIZE, '\0');
  std::size_t size = 0;
  need(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, secret.data(), secret.size(),
                 reinterpret_cast<const unsigned char*>(input.data()), input.size(),
                 reinterpret_cast<unsigned char*>(mac.data()), mac.size(), &size) != nullptr,
       "HMAC");
  mac.resize(size);
  return input + "." + base64url_encode(mac);
}

std::string unsigned_token(const std::string& token) {
  return token.substr(0, token.rfind('.') + 1);
}

void add_none(HostileList& out) {
  int number = 0;
  for (const std::string alg : {"none", "None", "NONE", "nOnE", "NonE", "none ", " none", "none\\u0000", "\\u006eone",
                                "n\\u006Fne", "", "null"}) {
    const Draft draft = header("ES256", alg);
    const std::string id = "alg-none-" + std::to_string(number++);
    out.push_back({id + "-unsigned",
                   "RFC 8725 section 3.2, CVE-2015-9235, CVE-2020-15957",
                   Reason::alg_not_allowed,
                   spoilt(unsigned_token, draft),
                   {}});
    out.push_back({id + "-signed", "RFC 8725 section 3.2, CVE-2021-22160", Reason::alg_not_allowed, draft, {}});
  }
  out.push_back({"alg-es256-unsigned", "CVE-2020-28042", Reason::signature_invalid, spoilt(unsigned_token), {}});
}

void add_symmetric(HostileList& out) {
  const TestKey& rsa = key("rsa");
  const std::pair<std::string, std::string> secrets[] = {{"jwk", rsa.jwk()},
                                                         {"modulus", *base64url_decode(rsa.member("n"))},
                                                         {"modulus-text", rsa.member("n")},
                                                         {"empty", ""},
                                                         {"secret", "secret"}};
  for (const std::string alg : {"HS256", "HS384", "HS512", "hs256", "Hs256", "HS1", "HMAC"}) {
    for (const auto& [name, secret] : secrets) {
      Draft draft = signed_by("rsa", alg, Algorithm::RS256);
      const std::string known = secret;
      out.push_back({"alg-" + alg + "-with-" + name,
                     "RFC 8725 section 2.1, CVE-2016-5431, CVE-2016-10555, CVE-2022-29217, CVE-2026-44699",
                     Reason::alg_not_allowed,
                     spoilt([known](std::string token) { return hmac_signed(token, known); }, draft),
                     signed_by("rsa", "RS256", Algorithm::RS256)});
    }
  }
}

void add_unknown(HostileList& out) {
  for (const std::string alg : {"es256",        "Es256",
                                "ES256 ",       " ES256",
                                "ES-256",       "ES256K",
                                "ES256\\u0000", "ES256,none",
                                "ESP256",       "RS1",
                                "RSA1_5",       "RSA-OAEP",
                                "A128KW",       "dir",
                                "ECDH-ES",      "PBES2-HS256+A128KW",
                                "SHA256",       "SHA256withECDSA",
                                "EDDSA",        "eddsa",
                                "ed25519",      "ML-DSA-44",
                                "ＥＳ256"}) {
    out.push_back({"alg-unknown-" + alg,
                   "RFC 7518 section 3.1, RFC 8725 section 3.1",
                   Reason::alg_not_allowed,
                   header("ES256", alg),
                   {}});
  }
  for (const std::string alg : {"null", "0", "1", "true", "[]", R"(["ES256"])", "{}", R"({"ES256":1})"}) {
    out.push_back(
        {"alg-type-" + alg, "RFC 7515 section 4.1.1", Reason::alg_not_allowed, header(R"("ES256")", alg), {}});
  }
  out.push_back(
      {"alg-missing", "RFC 7515 section 4.1.1", Reason::alg_not_allowed, header(R"("alg":"ES256",)", ""), {}});
  out.push_back(
      {"alg-other-case-member", "RFC 7515 section 4", Reason::alg_not_allowed, header(R"("alg")", R"("Alg")"), {}});
}

/// The header names each algorithm that the key of that kid does not fit; the signature is the key's own.
void add_mismatched(HostileList& out) {
  const std::tuple<std::string, std::string, Algorithm> keys[] = {
      {"rsa", "RS256", Algorithm::RS256},     {"es256", "ES256", Algorithm::ES256},
      {"es384", "ES384", Algorithm::ES384},   {"es512", "ES512", Algorithm::ES512},
      {"ed25519", "EdDSA", Algorithm::EdDSA}, {"ed448", "EdDSA", Algorithm::EdDSA}};
  auto names = AlgorithmSet::all().names();
  names.insert(names.end(), {"Ed25519", "Ed448"});
  for (const auto& [kid, alg, as] : keys) {
    const bool rsa = kid == "rsa";
    for (const auto& name : names) {
      const bool of_rsa = name.starts_with("RS") || name.starts_with("PS");
      const bool of_edwards = name == "EdDSA"
                                  ? kid.starts_with("ed")
                                  : (name == "Ed25519" && kid == "ed25519") || (name == "Ed448" && kid == "ed448");
      if (name == alg || of_edwards) continue;
      const bool fits = rsa && of_rsa;  // then only the signature is wrong
      out.push_back({"alg-" + name + "-on-" + kid, "RFC 8725 section 3.1, CVE-2022-29217, CVE-2024-54150",
                     fits ? Reason::signature_invalid : Reason::alg_key_mismatch, signed_by(kid, name, as),
                     signed_by(kid, alg, as)});
    }
  }
  for (const auto& name : names) {
    if (name == "RS256") continue;
    out.push_back({"alg-" + name + "-where-RS256-is-allowed", "RFC 8725 section 3.1", Reason::alg_not_allowed,
                   signed_by("rsa", name, Algorithm::RS256), signed_by("rsa", "RS256", Algorithm::RS256), "rs256"});
  }
  for (const std::string name : {"RS384", "RS512", "PS256", "PS384", "PS512"}) {
    out.push_back({"alg-" + name + "-on-a-key-of-RS256", "RFC 7517 section 4.4, RFC 8725 section 3.1",
                   Reason::alg_key_mismatch, signed_by("rsa", name, *algorithm_from_name(name)),
                   signed_by("rsa", "RS256", Algorithm::RS256), "bound"});
  }
}

void add_forbidden(HostileList& out) {
  for (const std::string crit : {R"(["exp"])", R"(["b64"])", R"(["http://example.com/x"])", "[]", "null", R"("b64")",
                                 R"([""])", "{}", "false"}) {
    out.push_back({"crit-" + crit,
                   "RFC 7515 section 4.1.11, CVE-2025-59420",
                   Reason::crit_present,
                   header_plus("\"crit\":" + crit),
                   {}});
  }
  out.push_back(
      {"crit-escaped", "RFC 7515 section 4.1.11", Reason::crit_present, header_plus(R"("\u0063rit":["x"],"x":1)"), {}});
  out.push_back(
      {"crit-with-b64", "RFC 7797 section 6", Reason::crit_present, header_plus(R"("b64":false,"crit":["b64"])"), {}});
  for (const std::string member :
       {R"("b64":false)", R"("b64":true)", R"("b64":null)", R"("zip":"DEF")", R"("zip":"")", R"("zip":null)",
        R"("enc":"A128GCM")", R"("enc":"")", R"("enc":null)", R"("\u007aip":"DEF")"}) {
    out.push_back({"forbidden-" + member,
                   "RFC 7797 section 3, RFC 7516 sections 4.1.2 and 4.1.3, CVE-2024-33664",
                   Reason::header_forbidden,
                   header_plus(member),
                   {}});
  }
  for (const std::string typ :
       {R"("logout+jwt")", R"("dpop+jwt")", R"("secevent+jwt")", R"("JWE")", R"("JOSE")", R"("at+jwt;x=1")",
        R"("at+jwt ")", R"("text/at+jwt")", R"("application/application/at+jwt")", R"("")", "null", "5", "[]", "{}"}) {
    out.push_back({"typ-" + typ,
                   "RFC 8725 section 3.11, RFC 9068 section 4",
                   Reason::typ_not_allowed,
                   header(R"("JWT")", typ),
                   {}});
  }
  out.push_back({"typ-jwt-where-at+jwt-is-asked", "RFC 9068 section 4", Reason::typ_not_allowed,
                 claims_plus(R"("token_use":"access")"),
                 header("JWT", "at+jwt", claims_plus(R"("token_use":"access")")), "strict"});
  out.push_back({"typ-missing-where-at+jwt-is-asked", "RFC 9068 section 4", Reason::typ_not_allowed,
                 header(R"(,"typ":"JWT")", "", claims_plus(R"("token_use":"access")")),
                 header("JWT", "at+jwt", claims_plus(R"("token_use":"access")")), "strict"});
}

}  // namespace

HostileList hostile_algorithms() {
  HostileList out;
  add_none(out);
  add_symmetric(out);
  add_unknown(out);
  add_mismatched(out);
  add_forbidden(out);
  return out;
}

}  // namespace meshauth::jose::testing
