#include "operator/kube/api_error.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "operator/kube/object.h"

namespace meshauth::kube {
namespace {

constexpr std::size_t kMaxMessage = 1024;
constexpr int kMaxRetryAfterSeconds = 600;

std::optional<std::chrono::seconds> seconds(int value) {
  if (value <= 0) return std::nullopt;
  return std::chrono::seconds(std::min(value, kMaxRetryAfterSeconds));
}

std::string text(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool has_cause(const nlohmann::json& details, std::string_view reason) {
  const auto causes = details.find("causes");
  return causes != details.end() && causes->is_array() &&
         std::any_of(causes->begin(), causes->end(),
                     [&](const auto& cause) { return cause.is_object() && text(cause, "reason") == reason; });
}

// The hint that turns an answer into something to do.
std::string_view remedy(const ApiError& error, bool namespace_ends) {
  if (namespace_ends) return " (nothing to do: nothing is needed there any more)";
  switch (error.code) {
    case 401:
      return " (the credentials are refused: are they of this cluster, and not expired?)";
    case 403:
      return " (the operator's ClusterRole lacks this: is the chart's RBAC installed?)";
    default:
      return "";
  }
}

}  // namespace

ApiError parse_status_object(std::string_view what, int code, std::string_view body) {
  ApiError error;
  error.code = code;
  std::string said;
  bool namespace_ends = false;
  const auto parsed = parse_json(body);
  if (parsed && parsed->is_object() && text(*parsed, "kind") == "Status") {
    error.reason = text(*parsed, "reason");
    said = text(*parsed, "message");
    const auto own = parsed->find("code");
    if (error.code == 0 && own != parsed->end() && own->is_number_integer()) error.code = own->get<int>();
    const auto details = parsed->find("details");
    if (details != parsed->end() && details->is_object()) {
      const auto retry = details->find("retryAfterSeconds");
      if (retry != details->end() && retry->is_number_integer()) error.retry_after = seconds(retry->get<int>());
      namespace_ends = has_cause(*details, "NamespaceTerminating");
    }
  }
  if (said.size() > kMaxMessage) said = std::string(utf8_prefix(said, kMaxMessage)) + "...";
  error.message =
      fmt::format("{}: {}{}{}{}", what, error.code, said.empty() ? "" : " ", said, remedy(error, namespace_ends));
  return error;
}

ApiError parse_api_error(std::string_view what, const http::Response& response) {
  ApiError error = parse_status_object(what, response.status, response.body);
  if (const auto header = http::find_header(response.headers, "Retry-After")) {
    int value = 0;
    const auto [end, problem] = std::from_chars(header->data(), header->data() + header->size(), value);
    if (problem == std::errc() && end == header->data() + header->size()) error.retry_after = seconds(value);
  }
  return error;
}

}  // namespace meshauth::kube
