#include "operator/kube/definitions.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace meshauth::kube {
namespace {

void append(std::string& list, const std::string& item) {
  list += (list.empty() ? "" : " and ") + item;
}

/// Condition Established is True: the API server serves it.
bool is_served(const nlohmann::json& definition) {
  const nlohmann::json status = definition.value("status", nlohmann::json());
  const nlohmann::json conditions = status.is_object() ? status.value("conditions", nlohmann::json()) : status;
  return std::any_of(conditions.begin(), conditions.end(), [](const nlohmann::json& condition) {
    return condition.is_object() && condition.value("type", nlohmann::json()) == "Established" &&
           condition.value("status", nlohmann::json()) == "True";
  });
}

}  // namespace

int schema_version(const nlohmann::json& definition) {
  const std::string text = label(definition, kSchemaVersionLabel);
  int version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  return error == std::errc() && end == text.data() + text.size() && version > 0 ? version : 0;
}

Result<std::string> unfit_definitions(const ApiClient& api, const std::vector<Resource>& resources, int least) {
  std::string missing, older, waiting;
  for (const Resource& resource : resources) {
    const std::string name = fmt::format("{}.{}", resource.plural, resource.group);
    const auto found = api.get(kCustomResourceDefinitions, "", name);
    if (!found && !found.error().not_found()) return tl::unexpected(found.error().error());
    if (!found) {
      append(missing, name);
    } else if (const int version = schema_version(**found); version < least) {
      append(older, version == 0 ? name + " (without a schema version)"
                                 : fmt::format("{} (schema version {})", name, version));
    } else if (!is_served(**found)) {
      append(waiting, name);
    }
  }
  if (!missing.empty()) {
    return fmt::format(
        "{} are not installed in the cluster: apply the folder crds/, or install the chart with crds.enabled=true",
        missing);
  }
  if (!older.empty()) {
    return fmt::format(
        "the resource definitions {} are older than this operator, which needs schema version {} or newer: fields that "
        "they do "
        "not know would be lost. Run helm upgrade with this version's chart and crds.enabled=true, or kubectl apply "
        "--server-side --force-conflicts -f crds/ with this version's folder crds/",
        older, least);
  }
  if (!waiting.empty()) return fmt::format("the API server does not serve {} yet", waiting);
  return "";
}

Status check_definitions(const ApiClient& api, const std::vector<Resource>& resources, int least) {
  const auto unfit = unfit_definitions(api, resources, least);
  if (!unfit) return tl::unexpected(unfit.error());
  return unfit->empty() ? Status() : fail("{}", *unfit);
}

}  // namespace meshauth::kube
