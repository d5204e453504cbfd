// Requests to the API server and its answers as objects.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "operator/http/client.h"
#include "operator/kube/api_error.h"
#include "operator/kube/object.h"
#include "operator/kube/resource.h"

namespace meshauth::http {
class Metrics;
}

namespace meshauth::kube {

inline constexpr std::string_view kFieldManager = "mesh-auth-operator";

struct ApiClientOptions {
  std::string host;  ///< the label of rest_client_requests_total
  std::chrono::milliseconds deadline{30'000};
  std::size_t max_body = std::size_t{64} << 20;
};

struct PageRequest {
  int limit = 500;
  std::string continue_token{};
  bool metadata_only = false;  ///< PartialObjectMetadataList
};

struct WatchRequest {
  std::string resource_version{};
  int timeout_seconds = 300;
  bool metadata_only = false;
  std::chrono::milliseconds idle{150'000};  ///< bookmarks come each minute
  std::size_t max_line = std::size_t{4} << 20;
  std::function<void()> on_open{};  ///< once, in the calling thread, when the API server has accepted the watch
};

struct RemoveOptions {
  std::string uid{};               ///< precondition; empty: none
  std::string resource_version{};  ///< precondition; empty: none
};

/// Calls may come from several threads at once. All are counted in rest_client_requests_total{code,method,host}.
class ApiClient {
 public:
  ApiClient(std::shared_ptr<http::Client> client, ApiClientOptions options, http::Metrics& metrics);
  ~ApiClient();

  /// ns is ignored for kinds of the cluster. Every one-object call gives the object as it is afterwards.
  ApiResult<Object> get(const Resource& resource, std::string_view ns, std::string_view name,
                        std::stop_token stop = {}) const;
  ApiResult<Object> create(const Resource& resource, std::string_view ns, const nlohmann::json& object,
                           std::stop_token stop = {}) const;
  /// For subresources that are created: TokenRequest, Eviction.
  ApiResult<Object> create_under(const Resource& resource, std::string_view ns, std::string_view name,
                                 std::string_view subresource, const nlohmann::json& object,
                                 std::stop_token stop = {}) const;
  /// A compare-and-swap where the object holds metadata.resourceVersion: conflict() if it is not the current one.
  ApiResult<Object> replace(const Resource& resource, const nlohmann::json& object, std::stop_token stop = {}) const;
  /// Server-side apply as kFieldManager, forced; the object needs apiVersion, kind and metadata.name, and holds our
  /// fields only. subresource: "" or "status".
  ApiResult<Object> apply(const Resource& resource, const nlohmann::json& object, std::string_view subresource = {},
                          std::stop_token stop = {}) const;
  /// JSON merge patch (RFC 7386). With metadata.resourceVersion in the patch it is a compare-and-swap.
  ApiResult<Object> merge_patch(const Resource& resource, std::string_view ns, std::string_view name,
                                const nlohmann::json& patch, std::string_view subresource = {},
                                std::stop_token stop = {}) const;
  /// The object's last state, or the Status that stands for it.
  ApiResult<Object> remove(const Resource& resource, std::string_view ns, std::string_view name,
                           const RemoveOptions& options = {}, std::stop_token stop = {}) const;

  /// One page. The object is the list: metadata.resourceVersion, metadata.continue, items.
  ApiResult<Object> list_page(const Resource& resource, const Selection& selection, const PageRequest& request,
                              std::stop_token stop = {}) const;
  /// All pages of one consistent list; an expired continue token is an error.
  ApiResult<std::vector<Object>> list(const Resource& resource, const Selection& selection, bool metadata_only = false,
                                      const std::stop_token& stop = {}) const;

  /// Blocks while the watch lasts. A refusal by the API server is an ApiError; how a stream ended is the value.
  ApiResult<http::StreamEnd> watch(const Resource& resource, const Selection& selection, const WatchRequest& request,
                                   const http::LineCallback& on_event, std::stop_token stop = {}) const;

  /// Any other path, as it is: /version, /.well-known/openid-configuration, /openid/v1/jwks.
  ApiResult<http::Response> get_raw(std::string_view path, std::size_t max_body, std::stop_token stop = {}) const;

 private:
  struct Counters;

  ApiResult<Object> call(const http::Request& request, std::stop_token stop) const;
  ApiResult<http::Response> exchange(const http::Request& request, std::size_t max_body, std::stop_token stop) const;
  void count(const std::string& method, int code) const;

  std::shared_ptr<http::Client> client_;
  ApiClientOptions options_;
  std::unique_ptr<Counters> counters_;
};

}  // namespace meshauth::kube
