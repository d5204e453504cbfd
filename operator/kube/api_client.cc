#include "operator/kube/api_client.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <nlohmann/json.hpp>

#include "operator/http/metrics.h"

namespace meshauth::kube {
namespace {

constexpr const char* kJson = "application/json";
constexpr const char* kApplyPatch = "application/apply-patch+yaml";  // JSON is YAML
constexpr const char* kMergePatch = "application/merge-patch+json";
constexpr const char* kMetadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
constexpr const char* kMetadataOne = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

// A list that says it goes on for longer than this is not believed.
constexpr int kMaxPages = 10'000;

http::Request request(std::string method, std::string target, const char* accept = kJson) {
  return {std::move(method), std::move(target), {{"Accept", accept}}, {}};
}

http::Request request_with(std::string method, std::string target, const char* type, const nlohmann::json& body) {
  http::Request out = request(std::move(method), std::move(target));
  out.headers.emplace_back("Content-Type", type);
  out.body = dump_json(body);
  return out;
}

// "GET /api/v1/pods", for messages: the query may be long and says nothing.
std::string describe(const http::Request& request) {
  return request.method + " " + request.target.substr(0, request.target.find('?'));
}

}  // namespace

struct ApiClient::Counters {
  prometheus::Family<prometheus::Counter>& requests;
};

ApiClient::ApiClient(std::shared_ptr<http::Client> client, ApiClientOptions options, http::Metrics& metrics)
    : client_(std::move(client)),
      options_(std::move(options)),
      counters_(new Counters{prometheus::BuildCounter()
                                 .Name("rest_client_requests_total")
                                 .Help("Number of HTTP requests, partitioned by status code, method, and host.")
                                 .Register(metrics.registry())}) {
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    counters_->requests.Add({{"code", "200"}, {"method", method}, {"host", options_.host}});
  }
}

ApiClient::~ApiClient() = default;

void ApiClient::count(const std::string& method, int code) const {
  counters_->requests
      .Add({{"code", code == 0 ? "<error>" : std::to_string(code)}, {"method", method}, {"host", options_.host}})
      .Increment();
}

ApiResult<http::Response> ApiClient::exchange(const http::Request& request, std::size_t max_body,
                                              std::stop_token stop) const {
  const auto answer = client_->send(request, {options_.deadline, max_body}, std::move(stop));
  count(request.method, answer ? answer->status : 0);
  if (!answer) return tl::unexpected(ApiError{.message = answer.error().message});
  if (answer->status >= 300) return tl::unexpected(parse_api_error(describe(request), *answer));
  return *answer;
}

ApiResult<Object> ApiClient::call(const http::Request& request, std::stop_token stop) const {
  const std::string what = describe(request);
  const auto answer = exchange(request, options_.max_body, std::move(stop));
  if (!answer) return tl::unexpected(answer.error());
  auto parsed = parse_json(answer->body);
  if (!parsed || !parsed->is_object()) {
    return tl::unexpected(
        ApiError{.message = what + ": the answer is no JSON object; is this a Kubernetes API server?"});
  }
  return std::make_shared<const nlohmann::json>(std::move(*parsed));
}

ApiResult<Object> ApiClient::get(const Resource& resource, std::string_view ns, std::string_view name,
                                 std::stop_token stop) const {
  return call(request("GET", object_path(resource, ns, name)), std::move(stop));
}

ApiResult<Object> ApiClient::create(const Resource& resource, std::string_view ns, const nlohmann::json& object,
                                    std::stop_token stop) const {
  const std::string target = collection_path(resource, ns) + "?fieldManager=" + std::string(kFieldManager);
  return call(request_with("POST", target, kJson, object), std::move(stop));
}

ApiResult<Object> ApiClient::create_under(const Resource& resource, std::string_view ns, std::string_view name,
                                          std::string_view subresource, const nlohmann::json& object,
                                          std::stop_token stop) const {
  return call(request_with("POST", object_path(resource, ns, name, subresource), kJson, object), std::move(stop));
}

ApiResult<Object> ApiClient::replace(const Resource& resource, const nlohmann::json& object,
                                     std::stop_token stop) const {
  const std::string target = object_path(resource, metadata(object, "namespace"), metadata(object, "name")) +
                             "?fieldManager=" + std::string(kFieldManager);
  return call(request_with("PUT", target, kJson, object), std::move(stop));
}

ApiResult<Object> ApiClient::apply(const Resource& resource, const nlohmann::json& object, std::string_view subresource,
                                   std::stop_token stop) const {
  const std::string target =
      object_path(resource, metadata(object, "namespace"), metadata(object, "name"), subresource) +
      "?fieldManager=" + std::string(kFieldManager) + "&force=true";
  return call(request_with("PATCH", target, kApplyPatch, object), std::move(stop));
}

ApiResult<Object> ApiClient::merge_patch(const Resource& resource, std::string_view ns, std::string_view name,
                                         const nlohmann::json& patch, std::string_view subresource,
                                         std::stop_token stop) const {
  const std::string target =
      object_path(resource, ns, name, subresource) + "?fieldManager=" + std::string(kFieldManager);
  return call(request_with("PATCH", target, kMergePatch, patch), std::move(stop));
}

ApiResult<Object> ApiClient::remove(const Resource& resource, std::string_view ns, std::string_view name,
                                    const RemoveOptions& options, std::stop_token stop) const {
  nlohmann::json body = {{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", "Background"}};
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty()) body["preconditions"]["resourceVersion"] = options.resource_version;
  return call(request_with("DELETE", object_path(resource, ns, name), kJson, body), std::move(stop));
}

ApiResult<Object> ApiClient::list_page(const Resource& resource, const Selection& selection, const PageRequest& page,
                                       std::stop_token stop) const {
  return call(request("GET", list_target(resource, selection, page.limit, page.continue_token),
                      page.metadata_only ? kMetadataList : kJson),
              std::move(stop));
}

ApiResult<std::vector<Object>> ApiClient::list(const Resource& resource, const Selection& selection, bool metadata_only,
                                               const std::stop_token& stop) const {
  std::vector<Object> objects;
  PageRequest next{.metadata_only = metadata_only};
  for (int page = 0; page < kMaxPages; ++page) {
    const auto list = list_page(resource, selection, next, stop);
    if (!list) return tl::unexpected(list.error());
    if (const auto items = (*list)->find("items"); items != (*list)->end() && items->is_array()) {
      for (const auto& item : *items) objects.push_back(std::make_shared<const nlohmann::json>(item));
    }
    next.continue_token = metadata(**list, "continue");
    if (next.continue_token.empty()) return objects;
  }
  return tl::unexpected(
      ApiError{.message = fmt::format("the list of {} has more than {} pages", resource.plural, kMaxPages)});
}

ApiResult<http::StreamEnd> ApiClient::watch(const Resource& resource, const Selection& selection,
                                            const WatchRequest& watch, const http::LineCallback& on_event,
                                            std::stop_token stop) const {
  const http::Request out =
      request("GET", watch_target(resource, selection, watch.resource_version, watch.timeout_seconds),
              watch.metadata_only ? kMetadataOne : kJson);
  http::StreamOptions options;
  options.header_deadline = options_.deadline;
  options.idle = watch.idle;
  options.max_line = watch.max_line;
  options.on_open = watch.on_open;
  const auto result = client_->stream_lines(out, options, on_event, std::move(stop));
  count("GET", result ? result->status : 0);
  if (!result) return tl::unexpected(ApiError{.message = result.error().message});
  if (result->end == http::StreamEnd::NotStreamed) {
    return tl::unexpected(parse_api_error(describe(out), {result->status, result->headers, result->body}));
  }
  return result->end;
}

ApiResult<http::Response> ApiClient::get_raw(std::string_view path, std::size_t max_body, std::stop_token stop) const {
  // The API server gives its keys as nothing else, and answers 406 to whoever asks for JSON alone.
  constexpr const char* kAccept = "application/json, application/jwk-set+json";
  return exchange(request("GET", std::string(path), kAccept), max_body, std::move(stop));
}

}  // namespace meshauth::kube
