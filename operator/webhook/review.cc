#include "operator/webhook/review.h"

#include "core/base/base64.h"
#include "core/base/text.h"
#include "core/inject/names.h"
#include "core/inject/shape.h"
#include "operator/kube/object.h"

namespace meshauth::webhook {
namespace {

using inject::text_at;
using nlohmann::json;

constexpr std::string_view kVersion = "admission.k8s.io/v1";
constexpr std::size_t kMostMessage = 1024;

Reviewed malformed(std::string why) {
  return {Outcome::Malformed, std::move(why), "", ""};
}

std::string answer(const std::string& uid, json response) {
  response["uid"] = uid;
  return kube::dump_json({{"apiVersion", kVersion}, {"kind", "AdmissionReview"}, {"response", std::move(response)}});
}

Reviewed refused(const std::string& uid, const std::string& pod, const std::string& why) {
  const std::string message = std::string(utf8_prefix("mesh-auth: " + why, kMostMessage));
  json status{{"message", message}, {"code", 422}, {"reason", "Invalid"}, {"status", "Failure"}};
  return {Outcome::Refused, answer(uid, {{"allowed", false}, {"status", std::move(status)}}), pod, message};
}

Reviewed admitted(const std::string& uid, const std::string& pod, const json& before, const json& after) {
  const json patch = inject::patch_between(before, after);
  if (patch.empty()) return {Outcome::Unchanged, answer(uid, {{"allowed", true}}), pod, ""};
  return {
      Outcome::Injected,
      answer(uid, {{"allowed", true}, {"patchType", "JSONPatch"}, {"patch", base64_encode(kube::dump_json(patch))}}),
      pod, ""};
}

std::string name_of(const json& pod) {
  const auto metadata = pod.is_object() ? pod.find("metadata") : pod.end();
  if (!pod.is_object() || metadata == pod.end()) return "";
  const std::string name = text_at(*metadata, "name");
  return name.empty() ? text_at(*metadata, "generateName") + "*" : name;
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::Injected:
      return "injected";
    case Outcome::Unchanged:
      return "unchanged";
    case Outcome::Refused:
      return "refused";
    case Outcome::Malformed:
      return "malformed";
  }
  return "malformed";
}

Reviewed review(std::string_view body, bool asked, const inject::Settings& settings, const NamespaceLabels& labels,
                const Watches& watches) {
  const auto parsed = kube::parse_json(body);
  if (!parsed) return malformed("the review is not readable: " + parsed.error().message);
  const json& given = *parsed;
  if (text_at(given, "apiVersion") != kVersion || text_at(given, "kind") != "AdmissionReview")
    return malformed(fmt::format("found {} {}; an AdmissionReview of {} would be right",
                                 in_quotes(text_at(given, "apiVersion")), in_quotes(text_at(given, "kind")), kVersion));
  const auto request = given.find("request");
  const std::string uid = request == given.end() ? "" : text_at(*request, "uid");
  if (uid.empty() || uid.size() > 128) return malformed("request.uid is missing");
  const auto object = request->find("object");
  if (object == request->end()) return malformed("request.object is missing");
  const std::string ns = text_at(*request, "namespace"), pod = ns + "/" + name_of(*object);
  const auto kind = request->find("kind");
  if (kind == request->end() || text_at(*kind, "kind") != "Pod")
    return refused(uid, pod, "this webhook is for pods alone; remove other kinds from its rules");

  const auto known = labels(ns);
  const auto injected =
      inject::inject(*object, {ns, known.value_or(inject::Place{}.namespace_labels), asked, ""}, settings);
  if (!injected) return refused(uid, pod, injected.error().message);
  if (!injected->injected) return {Outcome::Unchanged, answer(uid, {{"allowed", true}}), pod, ""};
  if (watches && !watches(ns)) {
    return refused(uid, pod,
                   fmt::format("namespace {} is not watched by the operator, so that a sidecar would get no bundle "
                               "there; add it to --watch-namespace (watchNamespaces of the chart), or take label {} "
                               "from it",
                               in_quotes(ns), inject::kInjectLabel));
  }
  if (injected->wishes.capture == inject::Capture::Transparent && !known) {
    return refused(uid, pod,
                   fmt::format("namespace {} is not known to the operator yet, and Transparent capture "
                               "depends on what it enforces; try again",
                               in_quotes(ns)));
  }
  return admitted(uid, pod, *object, injected->pod);
}

}  // namespace meshauth::webhook
