#include "core/engine/caller.h"

#include <algorithm>

#include "core/base/base64.h"
#include "core/base/text.h"
#include "core/jose/identity.h"

namespace meshauth::engine {
namespace {

void append_encoded(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool inner_space = byte == ' ' && i != 0 && i + 1 != text.size();
    if ((byte > 0x20 && byte < 0x7f && byte != '%' && byte != ',') || inner_space) {
      out += text[i];
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

std::size_t heap(const std::string& text) noexcept {
  return text.capacity() > 15 ? text.capacity() + 17 : 0;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  std::size_t size = texts.size();
  for (const std::string& text : texts) size += text.size();
  out.reserve(size);
  for (const std::string& text : texts) {
    if (!out.empty()) out += ' ';
    out += text;
  }
  return out;
}

}  // namespace

std::optional<JsonDoc> Caller::claims() const {
  const auto first = token.find('.');
  const auto second = token.find('.', first + 1);
  if (first == std::string::npos || second == std::string::npos) return std::nullopt;
  const auto payload = base64url_decode(std::string_view(token).substr(first + 1, second - first - 1));
  if (!payload) return std::nullopt;
  auto doc = JsonDoc::parse(*payload);
  if (!doc) return std::nullopt;
  return std::move(*doc);
}

std::shared_ptr<Caller> make_caller(const Snapshot& snapshot, std::string_view token,
                                    const jose::VerifiedToken& verified) {
  auto caller = std::make_shared<Caller>();
  caller->token = token;
  caller->issuer = snapshot.issuer(verified.issuer);
  caller->token_id = verified.token_id;
  caller->expires = verified.expires;
  caller->snapshot = snapshot.id();
  caller->identities.reserve(verified.identities.size());
  for (const jose::Identity& identity : verified.identities) {
    const ProviderSettings& settings = snapshot.providers()[identity.provider];
    CallerIdentity& mine = caller->identities.emplace_back();
    mine.index = identity.provider;
    mine.provider = settings.id;
    mine.subject = identity.subject;
    mine.client = identity.client;
    mine.scopes = joined(identity.scopes);
    mine.forward_token = settings.forward_token;
    for (const ForwardedClaim& claim : settings.forward_claims) {
      if (auto value = header_value(verified.claims, claim.path)) {
        mine.headers.emplace_back(to_lower(claim.header), std::move(*value));
      }
    }
  }
  return caller;
}

std::vector<jose::Identity> map_again(const Snapshot& snapshot, const Caller& caller, simdjson::dom::element claims) {
  std::vector<jose::Identity> out;
  out.reserve(caller.identities.size());
  for (const CallerIdentity& identity : caller.identities)
    out.push_back(jose::map_claims(snapshot.providers()[identity.index].mappings, claims, identity.index));
  return out;
}

bool renew(Caller& caller, const Snapshot& snapshot, double now) {
  if (now >= caller.expires) return false;
  if (caller.snapshot == snapshot.id()) return true;
  if (caller.issuer->generation != snapshot.issuer(caller.issuer->name)->generation) return false;
  std::vector<std::size_t> indices;
  for (const CallerIdentity& identity : caller.identities) {
    const auto index = snapshot.provider_index(identity.provider);
    if (!index) return false;
    indices.push_back(*index);
  }
  for (std::size_t i = 0; i < indices.size(); ++i) caller.identities[i].index = indices[i];
  caller.snapshot = snapshot.id();
  caller.memo = {};
  return true;
}

std::size_t size_of(const Caller& caller) noexcept {
  std::size_t size = sizeof(Caller) + 32 + heap(caller.token) + heap(caller.token_id) +
                     caller.identities.capacity() * sizeof(CallerIdentity);
  for (const CallerIdentity& identity : caller.identities) {
    size += heap(identity.provider) + heap(identity.subject) + heap(identity.client) + heap(identity.scopes);
    for (const auto& [name, value] : identity.headers) size += 2 * sizeof(std::string) + heap(name) + heap(value);
  }
  return size;
}

std::optional<std::string> header_value(simdjson::dom::element claims, const ClaimPath& path) {
  const auto claim = find_claim(claims, path);
  if (!claim || claim->is_null() || claim->is_object()) return std::nullopt;
  std::string out;
  bool first = true;
  for (const std::string& text : claim_texts(*claim)) {
    if (!first) out += ',';
    first = false;
    append_encoded(out, text);
  }
  return out;
}

}  // namespace meshauth::engine
