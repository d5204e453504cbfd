#include "core/bundle/wire.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/json_doc.h"
#include "core/base/text.h"

namespace meshauth::bundle {
namespace {

using nlohmann::json;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::size_t kMaxDetail = 1024;
constexpr std::size_t kMaxReadDetail = 3 * kMaxDetail;  // a byte that was no UTF-8 arrives as three
constexpr std::size_t kMaxName = 512;
constexpr double kMaxMilliseconds = 1e9;

// Text from outside may be anything; what it is quoted in must still be JSON.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<JsonDoc> read(std::string_view what, std::string_view text, std::size_t most) {
  auto doc = JsonDoc::parse(text, {.bytes = most, .depth = 8});
  if (!doc) return fail("{} is refused: {}", what, json_fault(doc.error()));
  if (!doc->root().is_object()) return fail("{} is not a JSON object", what);
  return std::move(*doc);
}

Result<std::string> text_member(std::string_view what, element root, std::string_view name, std::size_t most) {
  std::string_view text;
  if (root[name].get(text) != simdjson::SUCCESS) return fail("{} needs the text {}", what, in_quotes(name));
  if (text.size() > most) return fail("{}: {} has {} bytes; at most {}", what, name, text.size(), most);
  return std::string(text);
}

Result<std::optional<double>> number_member(std::string_view what, element root, std::string_view name, double most) {
  const auto member = root[name];
  if (member.error() != simdjson::SUCCESS) return std::optional<double>();
  double number = 0;
  if (member.get(number) != simdjson::SUCCESS || !std::isfinite(number) || std::abs(number) > most) {
    return fail("{}: {} must be a number of at most {}", what, name, most);
  }
  return std::optional(number);
}

Result<Outcome> read_outcome(std::string_view text) {
  for (const Outcome outcome : {Outcome::Applied, Outcome::Refused, Outcome::Timeout}) {
    if (text == to_string(outcome)) return outcome;
  }
  return fail("ack: outcome is {}; one of applied, refused, timeout", in_quotes(text));
}

Result<std::vector<UnknownKid>> read_kids(element root) {
  std::vector<UnknownKid> kids;
  const auto member = root["unknownKids"];
  if (member.error() != simdjson::SUCCESS) return kids;
  simdjson::dom::array list;
  if (member.get(list) != simdjson::SUCCESS || list.size() > kMaxUnknownKids) {
    return fail("report: unknownKids must be a list of at most {}", kMaxUnknownKids);
  }
  for (const element item : list) {
    auto source = text_member("report: an unknown kid", item, "source", kMaxName);
    if (!source) return tl::unexpected(source.error());
    auto kid = text_member("report: an unknown kid", item, "kid", kMaxName);
    if (!kid) return tl::unexpected(kid.error());
    kids.push_back({std::move(*source), std::move(*kid)});
  }
  return kids;
}

// The texts of a decision by their names in JSON.
constexpr std::pair<std::string_view, std::string DecisionCount::*> kDecisionTexts[] = {
    {"reason", &DecisionCount::reason}, {"policy", &DecisionCount::policy},
    {"rule", &DecisionCount::rule},     {"provider", &DecisionCount::provider},
    {"audit", &DecisionCount::audit},   {"auditPolicy", &DecisionCount::audit_policy},
};

Result<DecisionCount> read_decision(element item) {
  DecisionCount decision;
  if (item["allow"].get(decision.allow) != simdjson::SUCCESS ||
      item["count"].get(decision.count) != simdjson::SUCCESS) {
    return fail("report: a decision needs \"allow\" (true or false) and \"count\" (a whole number from 0)");
  }
  for (const auto& [name, member] : kDecisionTexts) {
    if (item[name].error() != simdjson::SUCCESS) continue;
    auto text = text_member("report: a decision", item, name, kMaxName);
    if (!text) return tl::unexpected(text.error());
    decision.*member = std::move(*text);
  }
  return decision;
}

Result<std::vector<DecisionCount>> read_decisions(element root) {
  std::vector<DecisionCount> decisions;
  const auto member = root["decisions"];
  if (member.error() != simdjson::SUCCESS) return decisions;
  simdjson::dom::array list;
  if (member.get(list) != simdjson::SUCCESS || list.size() > kMaxDecisions) {
    return fail("report: decisions must be a list of at most {}", kMaxDecisions);
  }
  for (const element item : list) {
    auto decision = read_decision(item);
    if (!decision) return tl::unexpected(decision.error());
    decisions.push_back(std::move(*decision));
  }
  return decisions;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::vector<std::string>> read_digests(element trust, std::string_view name) {
  const auto refuse = [&] {
    return fail("report: trust: {} must be a list of at most {} SHA-256 in hex", name, kMaxTrusted);
  };
  simdjson::dom::array list;
  if (trust[name].get(list) != simdjson::SUCCESS || list.size() > kMaxTrusted) return refuse();
  std::vector<std::string> digests;
  for (const element item : list) {
    std::string_view text;
    if (item.get(text) != simdjson::SUCCESS || !is_sha256(text)) return refuse();
    digests.emplace_back(text);
  }
  return digests;
}

Result<std::optional<TrustReport>> read_trust(element root) {
  const auto member = root["trust"];
  if (member.error() != simdjson::SUCCESS) return std::optional<TrustReport>();
  auto keys = read_digests(member.value_unsafe(), "signingKeys");
  if (!keys) return tl::unexpected(keys.error());
  auto authorities = read_digests(member.value_unsafe(), "certificateAuthorities");
  if (!authorities) return tl::unexpected(authorities.error());
  auto signed_by = text_member("report: trust", member.value_unsafe(), "signedBy", kMaxName);
  if (!signed_by) return tl::unexpected(signed_by.error());
  if (!signed_by->empty() && !is_sha256(*signed_by))
    return fail("report: trust: signedBy must be empty or SHA-256 in hex");
  return std::optional(TrustReport{std::move(*keys), std::move(*authorities), std::move(*signed_by)});
}

json to_json(const DecisionCount& decision) {
  json out = {{"allow", decision.allow}, {"count", decision.count}};
  for (const auto& [name, member] : kDecisionTexts) {
    if (!(decision.*member).empty()) out[std::string(name)] = decision.*member;
  }
  return out;
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::Applied:
      return "applied";
    case Outcome::Refused:
      return "refused";
    case Outcome::Timeout:
      return "timeout";
  }
  return "refused";
}

Result<std::string> encode(const BundleEvent& event) {
  json files = json::object();
  for (const auto& [name, content] : event.files) {
    if (!valid_utf8(content)) return fail("{} is not UTF-8 and cannot be sent", name);
    files[name] = content;
  }
  return dump({{"manifest", event.manifest_json}, {"signature", event.signature}, {"files", std::move(files)}});
}

std::string encode(const PingEvent& event) {
  return dump({{"fresh", event.fresh_json}, {"signature", event.signature}, {"now", event.now}});
}

std::string encode(const Ack& ack) {
  json out = {{"revision", ack.revision}, {"outcome", to_string(ack.outcome)}};
  out["detail"] = ack.detail.substr(0, kMaxDetail);
  if (ack.reload_ms) out["reloadMs"] = *ack.reload_ms;
  if (ack.swap_ms) out["swapMs"] = *ack.swap_ms;
  return dump(out);
}

std::string encode(const Report& report) {
  json kids = json::array();
  for (const auto& kid : report.unknown_kids) kids.push_back({{"source", kid.source}, {"kid", kid.kid}});
  json decisions = json::array();
  for (const auto& decision : report.decisions) decisions.push_back(to_json(decision));
  json out = {{"unknownKids", std::move(kids)}, {"decisions", std::move(decisions)}};
  if (report.skew) out["skew"] = *report.skew;
  if (const auto& trust = report.trust) {
    out["trust"] = {{"signingKeys", trust->signing_keys},
                    {"certificateAuthorities", trust->authorities},
                    {"signedBy", trust->signed_by}};
  }
  return dump(out);
}

Result<BundleEvent> decode_bundle_event(std::string_view text) {
  const auto doc = read("bundle event", text, kMaxEventBytes);
  if (!doc) return tl::unexpected(doc.error());
  auto manifest = text_member("bundle event", doc->root(), "manifest", 64 * 1024);
  if (!manifest) return tl::unexpected(manifest.error());
  auto signature = text_member("bundle event", doc->root(), "signature", kMaxName);
  if (!signature) return tl::unexpected(signature.error());
  BundleEvent event{std::move(*manifest), std::move(*signature), {}};
  object files;
  if (doc->root()["files"].get(files) != simdjson::SUCCESS) return fail("bundle event needs the object \"files\"");
  for (const auto [name, value] : files) {
    if (std::find(std::begin(kFiles), std::end(kFiles), name) == std::end(kFiles)) {
      return fail("bundle event holds the file {}, which is no file of a bundle", in_quotes(name));
    }
    std::string_view content;
    if (value.get(content) != simdjson::SUCCESS) return fail("bundle event: the file {} is not text", name);
    event.files.emplace(name, content);
  }
  return event;
}

Result<PingEvent> decode_ping_event(std::string_view text) {
  const auto doc = read("ping event", text, kMaxEventBytes);
  if (!doc) return tl::unexpected(doc.error());
  auto fresh = text_member("ping event", doc->root(), "fresh", kMaxBundleBytes);
  if (!fresh) return tl::unexpected(fresh.error());
  auto signature = text_member("ping event", doc->root(), "signature", kMaxName);
  if (!signature) return tl::unexpected(signature.error());
  const auto now = number_member("ping event", doc->root(), "now", 1e12);
  if (!now) return tl::unexpected(now.error());
  return PingEvent{std::move(*fresh), std::move(*signature), now->value_or(0)};
}

Result<Ack> decode_ack(std::string_view text) {
  const auto doc = read("ack", text, kMaxAckBytes);
  if (!doc) return tl::unexpected(doc.error());
  auto revision = text_member("ack", doc->root(), "revision", 64);
  if (!revision) return tl::unexpected(revision.error());
  if (revision->find_first_not_of("0123456789abcdef") != std::string::npos) {
    return fail("ack: revision {} is not hexadecimal", in_quotes(*revision));
  }
  const auto name = text_member("ack", doc->root(), "outcome", kMaxName);
  if (!name) return tl::unexpected(name.error());
  const auto outcome = read_outcome(*name);
  if (!outcome) return tl::unexpected(outcome.error());
  auto detail = text_member("ack", doc->root(), "detail", kMaxReadDetail);
  if (!detail) return tl::unexpected(detail.error());
  const auto reload = number_member("ack", doc->root(), "reloadMs", kMaxMilliseconds);
  if (!reload) return tl::unexpected(reload.error());
  const auto swap = number_member("ack", doc->root(), "swapMs", kMaxMilliseconds);
  if (!swap) return tl::unexpected(swap.error());
  return Ack{std::move(*revision), *outcome, std::move(*detail), *reload, *swap};
}

Result<Report> decode_report(std::string_view text) {
  const auto doc = read("report", text, kMaxReportBytes);
  if (!doc) return tl::unexpected(doc.error());
  auto kids = read_kids(doc->root());
  if (!kids) return tl::unexpected(kids.error());
  auto decisions = read_decisions(doc->root());
  if (!decisions) return tl::unexpected(decisions.error());
  const auto skew = number_member("report", doc->root(), "skew", 1e12);
  if (!skew) return tl::unexpected(skew.error());
  auto trust = read_trust(doc->root());
  if (!trust) return tl::unexpected(trust.error());
  return Report{std::move(*kids), std::move(*decisions), *skew, std::move(*trust)};
}

std::string sse_frame(std::string_view event, std::string_view id, std::string_view json) {
  std::string out;
  out.reserve(event.size() + id.size() + json.size() + 32);
  out.append("event: ").append(event).append("\n");
  if (!id.empty()) out.append("id: ").append(id).append("\n");
  out.append("data: ").append(json).append("\n\n");
  return out;
}

bool is_dns_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

}  // namespace meshauth::bundle
