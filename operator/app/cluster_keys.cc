#include "operator/app/cluster_keys.h"

#include <nlohmann/json.hpp>

#include "core/base/base64.h"
#include "operator/app/kube_recorder.h"
#include "operator/app/schema_version.h"
#include "operator/kube/definitions.h"
#include "operator/log/log.h"

namespace meshauth::app {
namespace {

using nlohmann::json;

constexpr std::string_view kAudience = "mesh-auth";

std::string text_of(const json& data, std::string_view name) {
  const auto it = data.find(name);
  return it != data.end() && it->is_string() ? it->get<std::string>() : "";
}

void restore_bundle(const json& object, controllers::Controllers& controllers) {
  const json data = object.value("data", json::object());
  const std::string name = kube::metadata(object, "name");
  constexpr std::string_view kPrefix = "mesh-auth-";
  if (!name.starts_with(kPrefix)) return;
  bundle::Files files;
  for (const std::string_view file : bundle::kFiles) files[std::string(file)] = text_of(data, file);
  controllers.adopt(kube::metadata(object, "namespace") + "/" + name.substr(kPrefix.size()),
                    text_of(data, "manifest.json"), text_of(data, "manifest.json.sig"), std::move(files));
}

void restore_source(const json& object, controllers::Controllers& controllers) {
  const std::string name = kube::metadata(object, "name");
  const std::string prefix = keys_record_name("");
  if (!name.starts_with(prefix)) return;
  auto history = plan::history_from_json(text_of(object.value("data", json::object()), "keys.json"));
  if (history) {
    controllers.restore_keys(name.substr(prefix.size()), std::move(*history));
  } else {
    log::warning("key record passed over", {{"object", name}, {"error", history.error()}});
  }
}

/// Each object of all pages, one page in memory at a time.
template <class Visit>
Status each(const kube::ApiClient& api, const kube::Resource& resource, const kube::Selection& selection, Visit visit) {
  kube::PageRequest page{.limit = 50};
  do {
    const auto list = api.list_page(resource, selection, page);
    if (!list) return tl::unexpected(list.error().error());
    if (const auto items = (*list)->find("items"); items != (*list)->end()) {
      for (const json& item : *items) visit(item);
    }
    page.continue_token = kube::metadata(**list, "continue");
  } while (!page.continue_token.empty());
  return {};
}

}  // namespace

Result<MeshKeys> keys_of_secret(const json& secret) {
  std::map<std::string, std::string> files;
  const json data = secret.value("data", json::object());
  for (const auto& [name, value] : data.items()) {
    auto bytes = value.is_string() ? base64_decode(value.get_ref<const std::string&>()) : std::nullopt;
    if (!bytes) return fail("Secret {}: {} is not base64", kKeysSecret, name);
    files[name] = std::move(*bytes);
  }
  return MeshKeys::from_files(files);
}

Result<MeshKeys> keys_in_secret(const kube::ApiClient& api, const std::string& ns,
                                std::chrono::seconds authority_lifetime) {
  const auto found = api.get(kube::kSecrets, ns, kKeysSecret);
  if (found) return keys_of_secret(**found);
  if (!found.error().not_found()) return tl::unexpected(found.error().error());
  auto keys = MeshKeys::make(std::chrono::floor<Seconds>(std::chrono::system_clock::now()), authority_lifetime);
  if (!keys) return keys;
  json data = json::object();
  for (const auto& [name, content] : keys->to_files()) data[name] = base64_encode(content);
  const auto created = api.create(kube::kSecrets, ns,
                                  {{"apiVersion", "v1"},
                                   {"kind", "Secret"},
                                   {"metadata", {{"name", kKeysSecret}, {"namespace", ns}}},
                                   {"type", "Opaque"},
                                   {"data", data}});
  if (created) return keys;
  if (!created.error().already_exists()) return tl::unexpected(created.error().error());
  const auto theirs = api.get(kube::kSecrets, ns, kKeysSecret);  // another operator was quicker
  if (!theirs) return tl::unexpected(theirs.error().error());
  return keys_of_secret(**theirs);
}

Status restore_records(const kube::ApiClient& api, const std::string& ns, const std::set<std::string>& watched,
                       controllers::Controllers& controllers) {
  const auto labelled = [](std::string_view kind) { return std::string(kRecordLabel) + "=" + std::string(kind); };
  auto keys = each(api, kube::kConfigMaps, {.ns = ns, .label_selector = labelled(kKeysRecord)},
                   [&](const json& object) { restore_source(object, controllers); });
  if (!keys) return keys;
  for (const std::string& of : watched.empty() ? std::set<std::string>{""} : watched) {
    auto bundles = each(api, kube::kConfigMaps, {.ns = of, .label_selector = labelled(kBundleRecord)},
                        [&](const json& object) { restore_bundle(object, controllers); });
    if (!bundles) return bundles;
  }
  return {};
}

Result<std::optional<fleet::ReviewedToken>> review_token(const kube::ApiClient& api, std::string_view token) {
  const auto reviewed = api.create(kube::kTokenReviews, "",
                                   {{"apiVersion", "authentication.k8s.io/v1"},
                                    {"kind", "TokenReview"},
                                    {"spec", {{"token", token}, {"audiences", json::array({kAudience})}}}});
  if (!reviewed) return tl::unexpected(reviewed.error().error());
  const json status = (*reviewed)->value("status", json::object());
  const json audiences = status.value("audiences", json::array());
  const bool for_us = std::find(audiences.begin(), audiences.end(), kAudience) != audiences.end();
  if (!status.value("authenticated", false) || !for_us) return std::nullopt;
  const json user = status.value("user", json::object());
  const json extra = user.value("extra", json::object());
  const auto first = [&](const char* name) -> std::string {
    const auto it = extra.find(name);
    return it != extra.end() && it->is_array() && !it->empty() && it->front().is_string()
               ? it->front().get<std::string>()
               : "";
  };
  return fleet::ReviewedToken{user.value("username", ""), first("authentication.kubernetes.io/pod-name"),
                              first("authentication.kubernetes.io/pod-uid")};
}

Result<std::string> unfit_crds(const kube::ApiClient& api) {
  return kube::unfit_definitions(api, {kube::kIdentityProviders, kube::kAccessPolicies}, kSchemaVersion);
}

Status check_crds(const kube::ApiClient& api) {
  return kube::check_definitions(api, {kube::kIdentityProviders, kube::kAccessPolicies}, kSchemaVersion);
}

}  // namespace meshauth::app
