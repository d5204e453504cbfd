#include "core/engine/decide.h"

#include <algorithm>

#include "core/engine/authenticate.h"

namespace meshauth::engine {
namespace {

Outcome refusal(Reason reason) {
  Outcome out;
  out.reason = reason;
  return out;
}

/// The request in the engine's terms, or the reason why it has none.
struct Decoded {
  policy::Path path;
  std::string host;
};

tl::expected<Decoded, Reason> decode(const HttpRequest& request, const Options& options) {
  if (const Reason reason = check_header_sizes(request.headers); reason != Reason::none) return tl::unexpected(reason);
  const auto target = split_target(request.target);
  if (!target) return tl::unexpected(target.error());
  auto host = decided_host(*target, request.headers);
  if (!host) return tl::unexpected(host.error());
  auto path = policy::decode_path(target->path, options.path_allow);
  if (!path) return tl::unexpected(path.error());
  return Decoded{std::move(*path), std::move(*host)};
}

/// Which identity speaks for the caller in variables and headers: the deciding rule's provider, else the first that
/// counts.
std::size_t speaker(const Authentication& who, std::string_view provider) {
  for (const std::size_t i : who.accepted) {
    if (who.caller->identities[i].provider == provider) return i;
  }
  return who.accepted.front();
}

void set_verdict(Outcome& out, const policy::Verdict& verdict) {
  out.allow = verdict.allow;
  out.reason = verdict.allow ? Reason::none : verdict.reason;
  out.policy = verdict.policy;
  out.rule = verdict.rule;
  out.missing_scopes = verdict.missing_scopes;
}

void set_authentication(Outcome& out, const Authentication& who, const Snapshot& snapshot) {
  if (who.reason != Reason::none) {
    out.allow = false;
    out.reason = who.reason;
  }
  out.token_failed = who.token_failed;
  out.detail = who.detail;
  out.issuer = who.issuer;
  out.unknown_kid = who.unknown_kid;
  out.unknown_kid_source = who.unknown_kid_source;
  if (who.caller) {
    out.caller = who.caller;
    out.identity = who.accepted.front();
  }
  if (!who.source) return;
  if (who.caller) {
    const auto& identities = who.caller->identities;
    out.strip_token = std::any_of(identities.begin(), identities.end(), [](const auto& i) { return !i.forward_token; });
  } else {
    for (std::size_t i = 0; i < snapshot.providers().size(); ++i) {
      if (who.source->providers[i] && !snapshot.providers()[i].forward_token) out.strip_token = true;
    }
  }
  if (out.strip_token) out.presented_at = who.source->at;
}

AuditVerdict audit_verdict(const policy::Verdict& verdict) {
  return {verdict.allow, verdict.allow ? Reason::none : verdict.reason, std::string(verdict.policy),
          std::string(verdict.rule)};
}

/// Where some provider is named by audit policies alone, their view of the caller is another one, and is asked for
/// apart.
void compare_with_audit(Outcome& out, Snapshot& snapshot, const HttpRequest& request, const policy::Request& asked,
                        const Authentication& enforced, double now, TokenCache* cache) {
  Authentication all = authenticate(snapshot, View::WithAudit, request.headers, now, cache);
  if (all.reason != Reason::none) {
    // Its failing token means no principal more than the enforced policies see.
    if (out.detail.empty()) out.detail = std::move(all.detail);
    if (out.unknown_kid.empty()) {
      out.unknown_kid = std::move(all.unknown_kid);
      out.unknown_kid_source = std::move(all.unknown_kid_source);
    }
    out.token_failed = out.token_failed || all.token_failed;
    if (enforced.reason != Reason::none) return;
    all = enforced;
    all.claims.reset();  // the token was read again since
  }
  const auto decision = decide_for(snapshot, View::WithAudit, all, asked);
  const policy::Verdict& together = decision.audit ? *decision.audit : decision.enforced;
  if (together.allow != out.allow) out.audit = audit_verdict(together);
}

}  // namespace

policy::Request policy_request(const HttpRequest& request, const policy::Path& path, std::string_view host,
                               const Snapshot& snapshot) {
  policy::Request out;
  out.method = request.method;
  out.path = &path;
  out.host = host;
  out.port = request.port;
  out.source = request.peer;
  // Two references: std::function keeps that many without memory of its own.
  out.headers = [&request, &snapshot](std::string_view name) {
    std::vector<std::string_view> values;
    const auto& ours = snapshot.identity_headers();
    if (std::find(ours.begin(), ours.end(), name) != ours.end()) return values;
    for (const Header& header : request.headers) {
      if (header.name == name) values.push_back(header.value);
    }
    return values;
  };
  return out;
}

Outcome decide(Snapshot& snapshot, const HttpRequest& request, double now, const Options& options, TokenCache* cache) {
  Outcome out;
  auto decoded = decode(request, options);
  if (!decoded) {
    out.reason = decoded.error();
    return out;
  }
  out.host = std::move(decoded->host);
  const Authentication who = authenticate(snapshot, View::Enforced, request.headers, now, cache);
  if (options.preflight == Preflight::Pass && !who.source && who.reason == Reason::none && is_preflight(request)) {
    out.allow = out.preflight = true;
    out.reason = Reason::none;
    return out;
  }
  set_authentication(out, who, snapshot);
  const policy::Request asked = policy_request(request, decoded->path, out.host, snapshot);
  if (who.reason == Reason::none) {
    const auto decision = decide_for(snapshot, View::Enforced, who, asked);
    set_verdict(out, decision.enforced);
    if (who.caller) out.identity = speaker(who, decision.enforced.provider);
    if (decision.audit && !snapshot.views_differ()) out.audit = audit_verdict(*decision.audit);
  }
  if (snapshot.views_differ()) compare_with_audit(out, snapshot, request, asked, who, now, cache);
  return out;
}

Outcome no_bundle() {
  return refusal(Reason::no_bundle);
}

Outcome internal_failure(std::string detail) {
  Outcome out = refusal(Reason::internal);
  out.detail = std::move(detail);
  return out;
}

}  // namespace meshauth::engine
