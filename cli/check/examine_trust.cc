// What sidecars trust: ConfigMap meshauth.trust of each namespace that has some.
#include <set>

#include "cli/check/certificates.h"
#include "cli/check/examine.h"
#include "core/bundle/keys.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

constexpr std::chrono::hours kOld{24 * (365 * 2 + 30)};  // by default replaced after two years

void examine_dates(const World& world, const ObjectName& object, const Validity& valid, Findings& findings) {
  const Time now = world.cluster_now();
  if (now > valid.until || now < valid.from) {
    findings.add(Id::TrustCaExpired, object,
                 fmt::format("the authority's certificate is valid from {} to {}", format_time(valid.from),
                             format_time(valid.until)));
  } else if (now + kExpiring > valid.until) {
    findings.add(Id::TrustCaExpiring, object, "the authority's certificate ends at " + format_time(valid.until));
  } else if (now - valid.from > kOld) {
    findings.add(Id::MeshKeysOld, object, fmt::format("the authority was made {} ago", age_text(now - valid.from)));
  }
}

}  // namespace

void examine_trust(const World& world, Findings& findings) {
  std::set<std::string> told;  // the same authority in every namespace: once
  for (const auto& [ns, map] : world.trust) {
    if (!map.read) continue;
    const ObjectName object{"ConfigMap", ns, "meshauth.trust"};
    if (!map.value) {
      findings.add(Id::TrustMissing, object, "it is not there");
      continue;
    }
    const auto trust = bundle::Trust::parse(text_at(*map.value, {"data", "trust.json"}));
    if (!trust || trust->certificate_authorities.empty() || trust->signing_keys.empty()) {
      findings.add(Id::TrustUnreadable, object, trust ? "it names no authority, or no key" : trust.error().message);
      continue;
    }
    std::string all;
    for (const std::string& authority : trust->certificate_authorities) all += authority + "\n";
    const auto valid = validity_of(all);
    if (!valid) {
      findings.add(Id::TrustUnreadable, object, "certificateAuthorities holds what is no certificate");
    } else if (told.insert(all).second) {
      examine_dates(world, object, *valid, findings);
    }
  }
}

}  // namespace meshauth::cli::check
