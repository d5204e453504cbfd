// The kinds: installed, served, of this release, and named like nobody else's.
#include "cli/check/crd_fields.h"
#include "cli/check/examine.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

/// The first names of those that `one` has and `other` has not.
std::string only_in(const Fields& one, const Fields& other) {
  constexpr std::size_t kShown = 3;
  std::vector<std::string> names;
  std::set_difference(one.begin(), one.end(), other.begin(), other.end(), std::back_inserter(names));
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kShown) out += fmt::format(" and {} more", names.size() - kShown);
  return out;
}

void compare_fields(const ObjectName& object, const json& crd, Findings& findings) {
  const auto ours = our_fields().find(object.name);
  if (ours == our_fields().end()) return;
  const Fields theirs = fields_of(crd);
  const std::string missing = only_in(ours->second, theirs), unknown = only_in(theirs, ours->second);
  if (!missing.empty()) findings.add(Id::CrdSchema, object, "it is of another release: it lacks " + missing);
  if (!unknown.empty()) {
    findings.add(Id::CrdSchema, object, "it is of another release: this program does not know its " + unknown);
  }
}

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
  } else {
    compare_fields(object, crd, findings);
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
