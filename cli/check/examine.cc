#include "cli/check/examine.h"

namespace meshauth::cli::check {

using nlohmann::json;

void examine_reads(const World& world, Findings& findings) {
  for (const Problem& problem : world.problems) {
    const std::string what = problem.resource + (problem.where.empty() ? "" : " " + problem.where);
    if (problem.forbidden) {
      findings.add(Id::PermissionMissing, {problem.resource, "", ""},
                   fmt::format("you may not {} {}", problem.verb, what));
    } else {
      findings.add(Id::ReadFailed, {problem.resource, "", ""},
                   fmt::format("{} {}: {}", problem.verb, what, problem.message));
    }
  }
  for (const std::string& what : world.cut) findings.add(Id::ListCut, {}, "more than is read: " + what);
  if (world.out_of_time) {
    findings.add(Id::OutOfTime, {}, "not everything could be read within " + format_duration(world.timeout));
  }
}

std::vector<Finding> examine(const World& world) {
  Findings findings;
  examine_reads(world, findings);
  examine_kinds(world, findings);
  examine_operator(world, findings);
  examine_webhook(world, findings);
  examine_trust(world, findings);
  examine_providers(world, findings);
  examine_policies(world, findings);
  examine_sidecars(world, findings);
  return std::move(findings).sorted();
}

std::optional<std::string> operator_flag(const World& world, std::string_view flag) {
  if (!world.deployment.value) return std::nullopt;
  for (const json& container : at(*world.deployment.value, {"spec", "template", "spec", "containers"})) {
    for (const json& argument : at(container, {"args"})) {
      if (!argument.is_string()) continue;
      const auto& text = argument.get_ref<const std::string&>();
      if (text.starts_with(flag) && text.size() > flag.size() && text[flag.size()] == '=') {
        return text.substr(flag.size() + 1);
      }
    }
  }
  return std::nullopt;
}

}  // namespace meshauth::cli::check
