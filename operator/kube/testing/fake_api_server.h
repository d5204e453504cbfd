// An API server in memory, behind http::Client: enough of it for tests of what writes objects.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "operator/http/client.h"

namespace meshauth::kube::testing {

/// Objects by path. It knows GET of an object or a collection (no paging, no selectors), POST, PUT with resourceVersion
/// as compare-and-swap, PATCH (apply and merge patch are both merged; /status too), DELETE; watches are refused with
/// 410. Resource versions count up from 1 over all kinds.
class FakeApiServer : public http::Client {
 public:
  FakeApiServer();
  ~FakeApiServer() override;

  Result<http::Response> send(const http::Request& request, const http::SendOptions& options,
                              std::stop_token stop) override;
  Result<http::StreamResult> stream_lines(const http::Request& request, const http::StreamOptions& options,
                                          const http::LineCallback& on_line, std::stop_token stop) override;

  /// Runs before each request, outside of any lock: may change objects in between. A value is the answer instead.
  using Before = std::function<std::optional<Result<http::Response>>(const http::Request&)>;
  void before_each(Before before);

  /// The object at a path such as /api/v1/namespaces/n/configmaps/c; null JSON if there is none.
  nlohmann::json object(const std::string& path) const;
  void put(const std::string& path, nlohmann::json object);
  void erase(const std::string& path);
  /// "METHOD path" of all requests, in order.
  std::vector<std::string> requests() const;

 private:
  http::Response handle(const http::Request& request, const std::string& path);
  http::Response write(const std::string& path, const nlohmann::json& sent, bool merge, bool create, bool status_only);
  http::Response collection(const std::string& path) const;
  void store(const std::string& path, nlohmann::json object);

  mutable std::mutex mutex_;
  struct State;
  std::unique_ptr<State> state_;  // guarded by mutex_, as all below
  Before before_;
  std::vector<std::string> requests_;
};

}  // namespace meshauth::kube::testing
