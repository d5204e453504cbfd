#include "operator/kube/testing/fake_api_server.h"

#include <map>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "operator/kube/object.h"

namespace meshauth::kube::testing {

using nlohmann::json;

struct FakeApiServer::State {
  std::map<std::string, json> objects;
  std::uint64_t version = 0;
};

namespace {

http::Response answer(int status, const json& body) {
  return {status, {{"Content-Type", "application/json"}}, body.dump()};
}

http::Response refuse(int code, const char* reason) {
  return answer(code,
                {{"kind", "Status"}, {"code", code}, {"reason", reason}, {"message", std::string("fake: ") + reason}});
}

// /api/v1/PLURAL, /apis/GROUP/VERSION/PLURAL, either with namespaces/NS/ before the plural.
bool is_collection(const std::string& path) {
  auto pieces = split(path, '/');
  const std::size_t group = path.starts_with("/apis/") ? 4 : 3;
  const std::size_t more = pieces.size() > group + 2 && pieces[group] == "namespaces" ? 2 : 0;
  return pieces.size() == group + more + 1;
}

std::string parent(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

FakeApiServer::FakeApiServer() : state_(std::make_unique<State>()) {}
FakeApiServer::~FakeApiServer() = default;

void FakeApiServer::before_each(Before before) {
  const std::lock_guard lock(mutex_);
  before_ = std::move(before);
}

json FakeApiServer::object(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = state_->objects.find(path);
  return found == state_->objects.end() ? json() : found->second;
}

void FakeApiServer::put(const std::string& path, json object) {
  const std::lock_guard lock(mutex_);
  store(path, std::move(object));
}

void FakeApiServer::erase(const std::string& path) {
  const std::lock_guard lock(mutex_);
  state_->objects.erase(path);
}

std::vector<std::string> FakeApiServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void FakeApiServer::store(const std::string& path, json object) {
  object["metadata"]["resourceVersion"] = std::to_string(++state_->version);
  if (!object["metadata"].contains("name")) object["metadata"]["name"] = path.substr(path.rfind('/') + 1);
  state_->objects[path] = std::move(object);
}

Result<http::Response> FakeApiServer::send(const http::Request& request, const http::SendOptions&, std::stop_token) {
  const std::string path = request.target.substr(0, request.target.find('?'));
  Before before;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request.method + " " + path);
    before = before_;
  }
  if (before) {
    if (auto instead = before(request)) return *instead;
  }
  const std::lock_guard lock(mutex_);
  return handle(request, path);
}

Result<http::StreamResult> FakeApiServer::stream_lines(const http::Request&, const http::StreamOptions&,
                                                       const http::LineCallback&, std::stop_token) {
  return http::StreamResult{410, {}, refuse(410, "Expired").body, http::StreamEnd::NotStreamed, {}};
}

http::Response FakeApiServer::handle(const http::Request& request, const std::string& path) {
  const json sent = request.body.empty() ? json::object() : json::parse(request.body);
  if (request.method == "POST") {
    const std::string name = metadata(sent, "name");
    if (name.empty()) return answer(201, sent);  // a review: nothing is kept
    return write(path + "/" + name, sent, false, true, false);
  }
  if (request.method == "GET" && !state_->objects.contains(path)) {
    return is_collection(path) ? collection(path) : refuse(404, "NotFound");
  }
  if (request.method == "GET") return answer(200, state_->objects[path]);
  if (request.method == "PUT") return write(path, sent, false, false, false);
  if (request.method == "PATCH" && path.ends_with("/status")) return write(parent(path), sent, true, false, true);
  if (request.method == "PATCH") return write(path, sent, true, false, false);
  if (request.method == "DELETE" && state_->objects.erase(path) == 1) return answer(200, {{"kind", "Status"}});
  return refuse(404, "NotFound");
}

http::Response FakeApiServer::write(const std::string& path, const json& sent, bool merge, bool create,
                                    bool status_only) {
  const auto found = state_->objects.find(path);
  const bool there = found != state_->objects.end();
  if (create && there) return refuse(409, "AlreadyExists");
  if (!there && !create && (!merge || status_only)) return refuse(404, "NotFound");
  if (there) {
    const std::string wanted = metadata(sent, "resourceVersion");
    if (!wanted.empty() && wanted != metadata(found->second, "resourceVersion")) return refuse(409, "Conflict");
  }
  json object = merge && there ? found->second : sent;
  if (merge && there && status_only) object["status"].merge_patch(sent.value("status", json::object()));
  if (merge && there && !status_only) object.merge_patch(sent);
  if (there) object["metadata"]["resourceVersion"] = found->second["metadata"]["resourceVersion"];
  if (there && object == found->second) return answer(200, object);  // a write that changes nothing
  store(path, std::move(object));
  return answer(there ? 200 : 201, state_->objects[path]);
}

http::Response FakeApiServer::collection(const std::string& path) const {
  json items = json::array();
  for (const auto& [key, object] : state_->objects) {
    if (parent(key) == path) items.push_back(object);
  }
  return answer(
      200, {{"kind", "List"}, {"metadata", {{"resourceVersion", std::to_string(state_->version)}}}, {"items", items}});
}

}  // namespace meshauth::kube::testing
