#include "core/jose/jws.h"

#include "core/base/base64.h"
#include "core/base/text.h"

namespace meshauth::jose {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

template <class... Args>
[[gnu::cold]] tl::unexpected<Refusal> refuse(Reason reason, fmt::format_string<Args...> format, Args&&... args) {
  Refusal refusal;
  refusal.reason = reason;
  refusal.detail = fmt::format(format, std::forward<Args>(args)...);
  return tl::unexpected<Refusal>(std::move(refusal));
}

/// The members that matter, found in one walk; nothing is judged before all are known, so that the order of members
/// does not change the reason.
struct Header {
  std::optional<element> alg, kid, typ;
  bool crit = false;
  std::string_view forbidden;
};

Header find_members(object json) {
  Header header;
  for (const auto [name, value] : json) {
    if (name == "alg") {
      header.alg = value;
    } else if (name == "kid") {
      header.kid = value;
    } else if (name == "typ") {
      header.typ = value;
    } else if (name == "crit") {
      header.crit = true;
    } else if (name == "b64" || name == "zip" || name == "enc") {
      header.forbidden = name;
    }
  }
  return header;
}

std::optional<std::string> text_or_empty(const std::optional<element>& value) {
  if (!value) return std::nullopt;
  std::string_view text;
  if (value->get(text) != simdjson::SUCCESS) return std::string();
  return std::string(text);
}

/// RFC 7515 section 4.1.9: media type names ignore case, and `application/` may be left out.
std::optional<std::string> type_name(const std::optional<element>& value) {
  constexpr std::string_view kApplication = "application/";
  auto typ = text_or_empty(value);
  if (!typ) return typ;
  std::string name = to_lower(*typ);
  if (name.starts_with(kApplication)) name.erase(0, kApplication.size());
  return name;
}

tl::expected<void, Refusal> read_header(std::string_view json, JsonReader& reader, Jws& out) {
  const auto root = reader.parse(json, {.bytes = kMaxTokenBytes, .depth = 32});
  if (!root) return refuse(root.error().reason, "the header is refused: {}", json_fault(root.error()));
  object members;
  if (root->get(members) != simdjson::SUCCESS) return refuse(Reason::json_invalid, "the header is no JSON object");
  const Header header = find_members(members);
  std::string_view alg;
  if (!header.alg || header.alg->get(alg) != simdjson::SUCCESS) {
    return refuse(Reason::alg_not_allowed, "the header has no alg that is a string");
  }
  const auto named = alg_from_name(alg);
  if (!named) return refuse(Reason::alg_not_allowed, "alg {} is no algorithm that is ever accepted", in_quotes(alg));
  if (header.crit) return refuse(Reason::crit_present, "the header has crit; no extension is understood here");
  if (!header.forbidden.empty()) {
    return refuse(Reason::header_forbidden, "the header has {}, which no signed JWT here may have", header.forbidden);
  }
  out.algorithm = named->algorithm;
  out.curve = named->curve;
  out.kid = text_or_empty(header.kid);
  out.typ = type_name(header.typ);
  return {};
}

}  // namespace

tl::expected<void, Refusal> read_jws(std::string_view token, JsonReader& reader, Jws& out) {
  if (token.size() > kMaxTokenBytes) {
    return refuse(Reason::token_too_large, "the token has {} bytes; at most {}", token.size(), kMaxTokenBytes);
  }
  const auto first = token.find('.');
  const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return refuse(Reason::token_segments, "the token does not have exactly three segments");
  }
  const auto not_canonical = [](std::string_view which) {
    return refuse(Reason::base64_invalid, "the {} is not canonical base64url", which);
  };
  const std::string_view header = token.substr(0, first);
  const bool known = !header.empty() && header == out.header;
  std::optional<std::string> json;
  if (!known) {
    out.header.clear();
    json = base64url_decode(header);
    if (!json) return not_canonical("header");
  }
  if (!base64url_decode(token.substr(first + 1, second - first - 1), out.payload)) return not_canonical("payload");
  if (!base64url_decode(token.substr(second + 1), out.signature)) return not_canonical("signature");
  out.signing_input = token.substr(0, second);
  if (known) return {};
  auto read = read_header(*json, reader, out);
  if (read) out.header = header;
  return read;
}

}  // namespace meshauth::jose
