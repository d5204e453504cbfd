// The kinds: installed, served, of this release, and named like nobody else's.
#include "cli/check/examine.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

constexpr std::string_view kVersion = "v1alpha1";

void examine_crd(const std::string& name, const json& crd, Findings& findings) {
  const ObjectName object{"CustomResourceDefinition", "", name};
  for (const char* type : {"NamesAccepted", "Established"}) {
    const json& condition = entry_at(crd, {"status", "conditions"}, "type", type);
    if (text_at(condition, {"status"}) == "True") continue;
    findings.add(Id::CrdNotEstablished, object,
                 condition.is_null() ? fmt::format("it has no condition {} yet", type)
                                     : fmt::format("{} is {}: {}", type, text_at(condition, {"status"}),
                                                   text_at(condition, {"message"})));
    return;
  }
  const json& version = entry_at(crd, {"spec", "versions"}, "name", kVersion);
  const auto yes = [&](const char* member) { return at(version, {member}) == json(true); };
  if (version.is_null()) {
    findings.add(Id::CrdVersion, object, fmt::format("it has no version {}, which this program speaks", kVersion));
  } else if (!yes("served") || !yes("storage")) {
    findings.add(
        Id::CrdVersion, object,
        fmt::format("version {}, which this program speaks, is not {}", kVersion, yes("served") ? "stored" : "served"));
  }
}

}  // namespace

void examine_kinds(const World& world, Findings& findings) {
  for (const auto& [name, crd] : world.crds) {
    if (!crd.read) continue;
    if (!crd.value) {
      findings.add(Id::CrdMissing, {"CustomResourceDefinition", "", name}, "it is not installed");
      continue;
    }
    examine_crd(name, *crd.value, findings);
  }
  for (const ForeignName& foreign : world.foreign) {
    findings.add(Id::PluralAmbiguous, {"APIGroup", "", foreign.group},
                 fmt::format("{}.{} is {} too: kubectl get {} may mean that", foreign.plural, foreign.group,
                             foreign.name, foreign.name));
  }
}

}  // namespace meshauth::cli::check
