#include "cli/check/reader.h"

#include "operator/kube/object.h"

namespace meshauth::cli::check {
namespace {

constexpr int kForbidden = 403;

std::string where_of(const kube::Resource& resource, std::string_view ns) {
  if (!resource.namespaced) return "";
  return ns.empty() ? "in all namespaces" : "in namespace " + std::string(ns);
}

/// "pods", "leases.coordination.k8s.io": as roles and kubectl name it.
std::string name_of(const kube::Resource& resource) {
  std::string out(resource.plural);
  if (!resource.group.empty()) out += "." + std::string(resource.group);
  return out;
}

}  // namespace

bool Reader::out_of_time() {
  if (stop_.stop_requested()) world_.out_of_time = true;
  return world_.out_of_time;
}

void Reader::failed(Problem what, const kube::ApiError& error) {
  if (out_of_time()) return;
  what.forbidden = error.code == kForbidden;
  what.message = error.message;
  world_.problems.push_back(std::move(what));
}

One Reader::get(const kube::Resource& resource, std::string_view ns, std::string_view name) {
  if (out_of_time()) return {};
  const auto found = api_.get(resource, ns, name, stop_);
  if (found) return {true, **found};
  if (found.error().not_found()) return {true, std::nullopt};
  failed({"get", name_of(resource), std::string(name) + (ns.empty() ? "" : " " + where_of(resource, ns))},
         found.error());
  return {};
}

Many Reader::list(const kube::Resource& resource, const kube::Selection& selection, const Keep& keep) {
  Many out{true, {}};
  kube::PageRequest page;
  do {
    if (out_of_time()) return {};
    const auto list = api_.list_page(resource, selection, page, stop_);
    if (!list) {
      if (list.error().not_found()) return out;
      failed({"list", name_of(resource), where_of(resource, selection.ns)}, list.error());
      return {};
    }
    for (const nlohmann::json& item : at(**list, {"items"})) out.value.push_back(keep ? keep(item) : item);
    page.continue_token = kube::metadata(**list, "continue");
    if (out.value.size() >= kMostObjects && !page.continue_token.empty()) {
      world_.cut.push_back(
          fmt::format("{} {} ({} were read)", name_of(resource), where_of(resource, selection.ns), out.value.size()));
      return out;
    }
  } while (!page.continue_token.empty());
  return out;
}

std::optional<http::Response> Reader::raw(const std::string& path, std::size_t most, const Problem& what,
                                          bool absent_is_fine) {
  if (out_of_time()) return std::nullopt;
  auto answer = api_.get_raw(path, most, stop_);
  if (answer) return std::move(*answer);
  if (!(absent_is_fine && answer.error().not_found())) failed(what, answer.error());
  return std::nullopt;
}

}  // namespace meshauth::cli::check
