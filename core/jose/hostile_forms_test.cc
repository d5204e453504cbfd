// Hostile tokens: segments, base64url and JSON.
#include "core/jose/testing/hostile.h"

namespace meshauth::jose::testing {
namespace {

struct Segments {
  std::string header, payload, signature;
  std::string joined() const { return header + "." + payload + "." + signature; }
};

Segments segments_of(const std::string& token) {
  const auto first = token.find('.'), last = token.rfind('.');
  return {token.substr(0, first), token.substr(first + 1, last - first - 1), token.substr(last + 1)};
}

void add_segments(HostileList& out) {
  const std::pair<std::string, std::string (*)(const Segments&)> cases[] = {
      {"empty", [](const Segments&) { return std::string(); }},
      {"one", [](const Segments& s) { return s.header; }},
      {"two", [](const Segments& s) { return s.header + "." + s.payload; }},
      {"four", [](const Segments& s) { return s.joined() + "." + s.signature; }},
      {"five-as-JWE", [](const Segments& s) { return s.joined() + "." + s.payload + "." + s.signature; }},
      {"trailing-dot", [](const Segments& s) { return s.joined() + "."; }},
      {"leading-dot", [](const Segments& s) { return "." + s.joined(); }},
      {"double-dot", [](const Segments& s) { return s.header + ".." + s.payload + "." + s.signature; }},
      {"dots", [](const Segments&) { return std::string("..."); }},
      {"many-dots", [](const Segments&) { return std::string(10000, '.'); }},
      {"no-dots", [](const Segments&) { return std::string(10000, 'A'); }},
      {"json-serialization",
       [](const Segments& s) {
         return R"({"protected":")" + s.header + R"(","payload":")" + s.payload + R"(","signature":")" + s.signature +
                "\"}";
       }},
  };
  for (const auto& [name, spoil] : cases) {
    const auto make = spoil;
    out.push_back({"segments-" + name,
                   "RFC 7515 section 3.1, RFC 7519 section 7.2, CVE-2025-27144",
                   Reason::token_segments,
                   spoilt([make](std::string token) { return make(segments_of(token)); }),
                   {}});
  }
  out.push_back({"too-large",
                 "CVE-2025-30204, CVE-2025-61920",
                 Reason::token_too_large,
                 spoilt([](std::string token) { return token + std::string(kMaxTokenBytes + 1 - token.size(), 'A'); }),
                 {}});
  out.push_back({"too-large-dots",
                 "CVE-2025-30204",
                 Reason::token_too_large,
                 spoilt([](std::string) { return std::string(kMaxTokenBytes + 1, '.'); }),
                 {}});
}

/// A text that decodes to the same bytes in a lax decoder: the last character's unused bits are not zero.
std::string with_unused_bits(std::string segment) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  segment.back() = kAlphabet[kAlphabet.find(segment.back()) + 1];
  return segment;
}

void add_base64(HostileList& out) {
  // Lengths that leave unused bits and room for padding in each segment.
  Draft draft;
  draft.header = R"({"alg":"ES256","kid":"es256","typ":"JWT"} )";
  draft.claims += " ";
  while (draft.header.size() % 3 == 0) draft.header += " ";
  while (draft.claims.size() % 3 == 0) draft.claims += " ";
  const std::pair<std::string, std::string (*)(std::string)> cases[] = {
      {"padding", [](std::string s) { return s + std::string((4 - s.size() % 4) % 4, '='); }},
      {"percent-padding", [](std::string s) { return s + "%3D"; }},
      {"plus", [](std::string s) { return s.replace(4, 1, "+"); }},
      {"slash", [](std::string s) { return s.replace(4, 1, "/"); }},
      {"space-before", [](std::string s) { return " " + s; }},
      {"space-after", [](std::string s) { return s + " "; }},
      {"space-inside", [](std::string s) { return s.insert(4, " "); }},
      {"newline-inside", [](std::string s) { return s.insert(4, "\n"); }},
      {"crlf-after", [](std::string s) { return s + "\r\n"; }},
      {"tab-inside", [](std::string s) { return s.insert(8, "\t"); }},
      {"nul-inside", [](std::string s) { return s.insert(4, 1, '\0'); }},
      {"nul-after", [](std::string s) { return s + '\0'; }},
      {"latin1", [](std::string s) { return s.replace(4, 1, "\xe9"); }},
      {"fullwidth", [](std::string s) { return s.insert(4, "\xef\xbc\xa1"); }},
      {"unused-bits", with_unused_bits},
      {"one-more", [](std::string s) { return s.size() % 4 == 0 ? s + "A" : s + std::string(5 - s.size() % 4, 'A'); }},
      {"comma", [](std::string s) { return s + ",x"; }},
  };
  for (const auto& [name, spoil] : cases) {
    const auto make = spoil;
    const std::pair<std::string, std::string Segments::*> parts[] = {
        {"header", &Segments::header}, {"payload", &Segments::payload}, {"signature", &Segments::signature}};
    for (const auto& [part_name, part] : parts) {
      const auto member = part;
      out.push_back({"base64-" + name + "-" + part_name, "RFC 7515 section 2, RFC 4648 sections 3.2 to 3.5",
                     Reason::base64_invalid,
                     spoilt(
                         [make, member](std::string token) {
                           Segments segments = segments_of(token);
                           segments.*member = make(segments.*member);
                           return segments.joined();
                         },
                         draft),
                     draft});
    }
  }
}

std::string deep(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

/// Each text is signed as it stands: only a strict reader refuses it.
void add_texts(HostileList& out, const std::string& part, std::string Draft::*member) {
  const std::string good = Draft{}.*member;
  const std::string open = good.substr(0, good.size() - 1);
  const auto with = [&](const std::string& value) { return open + ",\"x\":" + value + "}"; };
  // What is wrong, and what would be right.
  const std::tuple<std::string, Reason, std::string, std::string> cases[] = {
      {"empty", Reason::json_invalid, "", good},
      {"array", Reason::json_invalid, "[" + good + "]", good},
      {"string", Reason::json_invalid, R"("text")", good},
      {"number", Reason::json_invalid, "1", good},
      {"null", Reason::json_invalid, "null", good},
      {"two-objects", Reason::json_invalid, good + good, good},
      {"object-and-garbage", Reason::json_invalid, good + "x", good},
      {"object-and-nul", Reason::json_invalid, good + '\0', good},
      {"garbage-and-object", Reason::json_invalid, "x" + good, good},
      {"byte-order-mark", Reason::json_invalid, "\xef\xbb\xbf" + good, good},
      {"utf-16", Reason::json_invalid, std::string("\xff\xfe{\0}\0", 6), good},
      {"trailing-comma", Reason::json_invalid, open + ",}", good},
      {"comment", Reason::json_invalid, "/**/" + good, good},
      {"line-comment", Reason::json_invalid, good + "//", good},
      {"single-quotes", Reason::json_invalid, open + ",'x':1}", with("1")},
      {"bare-name", Reason::json_invalid, open + ",x:1}", with("1")},
      {"nan", Reason::json_invalid, with("NaN"), with("0")},
      {"infinity", Reason::json_invalid, with("Infinity"), with("0")},
      {"leading-zero", Reason::json_invalid, with("01"), with("1")},
      {"hexadecimal", Reason::json_invalid, with("0x1"), with("0")},
      {"control-character", Reason::json_invalid, with("\"\x01\""), with(R"("\u0001")")},
      {"newline-in-string", Reason::json_invalid, with("\"\n\""), with(R"("\n")")},
      {"bad-escape", Reason::json_invalid, with(R"("\a")"), with(R"("\b")")},
      {"lone-high-surrogate", Reason::json_invalid, with(R"("\ud800")"), with(R"("\ud800\udc00")")},
      {"lone-low-surrogate", Reason::json_invalid, with(R"("\udc00")"), with(R"("\ud800\udc00")")},
      {"invalid-utf-8", Reason::json_invalid, with("\"\xff\""), with("\"\xc3\xbf\"")},
      {"overlong-utf-8", Reason::json_invalid, with("\"\xc0\x80\""), with("\"\xc2\x80\"")},
      {"surrogate-in-utf-8", Reason::json_invalid, with("\"\xed\xa0\x80\""), with("\"\xee\xa0\x80\"")},
      {"cut", Reason::json_invalid, open, good},
      {"unclosed-string", Reason::json_invalid, open + R"(,"x":"y)", with(R"("y")")},
      {"depth-33", Reason::json_too_deep, with(deep(32)), with(deep(31))},
      {"depth-1000", Reason::json_too_deep, with(deep(1000)), with(deep(31))},
      {"depth-of-arrays", Reason::json_too_deep, deep(500), good},
      {"twice", Reason::json_duplicate, with(R"(1,"x":1)"), with(R"(1,"y":1)")},
      {"twice-escaped", Reason::json_duplicate, with(R"(1,"\u0078":1)"), with(R"(1,"\u0079":1)")},
      {"twice-nested", Reason::json_duplicate, with(R"({"y":1,"y":2})"), with(R"({"y":1,"z":2})")},
      {"twice-in-list", Reason::json_duplicate, with(R"([{"y":1,"y":2}])"), with(R"([{"y":1,"z":2}])")},
      {"twice-empty-name", Reason::json_duplicate, open + R"(,"":1,"":2})", open + R"(,"":1,"y":2})"},
  };
  for (const auto& [name, reason, text, right] : cases) {
    Draft draft, twin;
    draft.*member = text;
    twin.*member = right;
    out.push_back(
        {"json-" + part + "-" + name, "RFC 8259, RFC 7515 section 4, RFC 8725 section 2.6", reason, draft, twin});
  }
}

void add_duplicates(HostileList& out) {
  for (const std::string member :
       {R"("alg":"none")", R"("alg":"ES256")", R"("\u0061lg":"none")", R"("a\u006cg":"RS256")", R"("kid":"rsa")",
        R"("\u006bid":"es256")", R"("typ":"JWT")"}) {
    out.push_back({"duplicate-header-" + member,
                   "RFC 7515 section 4, RFC 8725 section 2.1",
                   Reason::json_duplicate,
                   header_plus(member),
                   {}});
    Draft first;
    first.header = "{" + member + "," + first.header.substr(1);
    out.push_back({"duplicate-header-first-" + member, "RFC 7515 section 4", Reason::json_duplicate, first, {}});
  }
  for (const std::string member :
       {R"("iss":"https://idp")", R"("iss":"https://other")", R"("\u0069ss":"https://other")", R"("aud":"x")",
        R"("exp":9999999)", R"("ex\u0070":9999999)", R"("sub":"root")", R"("su\u0062":"root")", R"("iat":1)"}) {
    out.push_back({"duplicate-claim-" + member, "RFC 7519 section 4", Reason::json_duplicate, claims_plus(member), {}});
    Draft first;
    first.claims = "{" + member + "," + first.claims.substr(1);
    out.push_back({"duplicate-claim-first-" + member, "RFC 7519 section 4", Reason::json_duplicate, first, {}});
  }
}

}  // namespace

HostileList hostile_forms() {
  HostileList out;
  add_segments(out);
  add_base64(out);
  return out;
}

HostileList hostile_json() {
  HostileList out;
  add_texts(out, "header", &Draft::header);
  add_texts(out, "payload", &Draft::claims);
  add_duplicates(out);
  return out;
}

}  // namespace meshauth::jose::testing
