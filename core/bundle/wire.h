// What the operator and its agents say to each other: the data of stream events, acks and reports, as JSON on one line.
// Both sides read strictly (JsonDoc) and within bounds; a member that is not known is passed over, so that either side
// can be the newer one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/bundle/bundle.h"

namespace meshauth::bundle {

/// One event's data at most: every byte of a bundle may need six (\u0000), and there is a manifest around it.
constexpr std::size_t kMaxEventBytes = 6 * kMaxBundleBytes + 64 * 1024;
constexpr std::size_t kMaxAckBytes = 16 * 1024;
constexpr std::size_t kMaxReportBytes = 256 * 1024;
constexpr std::size_t kMaxUnknownKids = 64;
constexpr std::size_t kMaxDecisions = 256;  ///< of one report
constexpr std::size_t kMaxTrusted = 8;      ///< keys, and authorities, of one report

inline constexpr std::string_view kBundleEvent = "bundle";
inline constexpr std::string_view kPingEvent = "ping";

/// Event `bundle`: {"manifest": text, "signature": text, "files": {name: content}}. The manifest is the exact signed
/// text. `files` has those whose digest the receiver does not hold; the event's id is the revision.
struct BundleEvent {
  std::string manifest_json;
  std::string signature;
  Files files;
  friend bool operator==(const BundleEvent&, const BundleEvent&) = default;
};

/// Event `ping`: {"fresh": text, "signature": text, "now": seconds since 1970}. fresh and signature are empty while
/// there is none.
struct PingEvent {
  std::string fresh_json;
  std::string signature;
  double now = 0;
  friend bool operator==(const PingEvent&, const PingEvent&) = default;
};

/// applied: every live worker runs the revision. refused: the one before goes on. timeout: it was put in place, but not
/// every worker said in time that it runs it; another ack may follow.
enum class Outcome { Applied, Refused, Timeout };
std::string_view to_string(Outcome outcome);

/// {"revision": hex, "outcome": name, "detail": text, "reloadMs": number, "swapMs": number}. The times are absent where
/// nothing was reloaded or swapped.
struct Ack {
  std::string revision;
  Outcome outcome = Outcome::Refused;
  std::string detail;  ///< for a person; at most 1024 bytes
  std::optional<double> reload_ms;
  std::optional<double> swap_ms;
  friend bool operator==(const Ack&, const Ack&) = default;
};

/// A token named a key that its key source does not have.
struct UnknownKid {
  std::string source;
  std::string kid;
  friend auto operator<=>(const UnknownKid&, const UnknownKid&) = default;
};

/// How often one thing was decided since the last report; as the nginx workers count it.
struct DecisionCount {
  bool allow = false;
  std::string reason;  ///< the reason's name; empty where allowed
  std::string policy;  ///< namespace/name; empty if no rule decided
  std::string rule;
  std::string provider;      ///< namespace/name; empty without one
  std::string audit;         ///< what audit policies would have said where that differs: "allow" or "deny"; else empty
  std::string audit_policy;  ///< whose rule it was; with "deny" empty where no rule let the request pass
  std::uint64_t count = 0;
  friend bool operator==(const DecisionCount&, const DecisionCount&) = default;
};

/// What a sidecar trusts and runs, each as SHA-256 in hex: of the 32 bytes of a signing key, of the PEM text of an
/// authority as trust.json holds it. While the mesh's keys change, the operator waits for it.
struct TrustReport {
  std::vector<std::string> signing_keys;
  std::vector<std::string> authorities;
  std::string signed_by;  ///< the key of the bundle in force; empty: there is none, or its key is not trusted any more
  friend bool operator==(const TrustReport&, const TrustReport&) = default;
};

/// {"unknownKids": [{"source", "kid"}], "decisions": [{"allow", "reason", "policy", "rule", "provider", "audit",
/// "auditPolicy", "count"}], "skew": seconds, "trust": {"signingKeys", "certificateAuthorities", "signedBy"}}. Empty
/// texts are left out, and trust where nothing of it changed.
struct Report {
  std::vector<UnknownKid> unknown_kids;
  std::vector<DecisionCount> decisions;
  std::optional<double> skew;  ///< the agent's clock minus the operator's
  std::optional<TrustReport> trust = std::nullopt;
  friend bool operator==(const Report&, const Report&) = default;
};

/// Errors: a file that is not UTF-8.
Result<std::string> encode(const BundleEvent& event);
std::string encode(const PingEvent& event);
std::string encode(const Ack& ack);
std::string encode(const Report& report);

Result<BundleEvent> decode_bundle_event(std::string_view json);
Result<PingEvent> decode_ping_event(std::string_view json);
Result<Ack> decode_ack(std::string_view json);
Result<Report> decode_report(std::string_view json);

/// One server-sent event (WHATWG HTML, section 9.2): `event`, `id` unless empty, `data`, an empty line.
/// json is on one line.
std::string sse_frame(std::string_view event, std::string_view id, std::string_view json);

/// A DNS label (RFC 1123), as namespaces and workloads are: at most 63 of a-z 0-9 -, no hyphen at either end.
bool is_dns_label(std::string_view text);

}  // namespace meshauth::bundle
