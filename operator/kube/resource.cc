#include "operator/kube/resource.h"

#include <fmt/format.h>

namespace meshauth::kube {
namespace {

class Query {
 public:
  explicit Query(std::string path) : text_(std::move(path)) {}
  Query& add(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    text_ += first_ ? '?' : '&';
    first_ = false;
    text_.append(name).append("=").append(percent_encode(value));
    return *this;
  }
  std::string text() const { return text_; }

 private:
  std::string text_;
  bool first_ = true;
};

Query select(const Resource& resource, const Selection& selection) {
  Query query(collection_path(resource, selection.ns));
  query.add("labelSelector", selection.label_selector).add("fieldSelector", selection.field_selector);
  return query;
}

}  // namespace

std::string Resource::api_version() const {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

std::string percent_encode(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string collection_path(const Resource& resource, std::string_view ns) {
  std::string path = resource.group.empty() ? fmt::format("/api/{}", resource.version)
                                            : fmt::format("/apis/{}/{}", resource.group, resource.version);
  if (resource.namespaced && !ns.empty()) path += "/namespaces/" + percent_encode(ns);
  return path.append("/").append(resource.plural);
}

std::string object_path(const Resource& resource, std::string_view ns, std::string_view name,
                        std::string_view subresource) {
  std::string path = collection_path(resource, ns) + "/" + percent_encode(name);
  if (!subresource.empty()) path.append("/").append(subresource);
  return path;
}

std::string list_target(const Resource& resource, const Selection& selection, int limit,
                        std::string_view continue_token) {
  return select(resource, selection).add("limit", fmt::to_string(limit)).add("continue", continue_token).text();
}

std::string watch_target(const Resource& resource, const Selection& selection, std::string_view resource_version,
                         int timeout_seconds) {
  return select(resource, selection)
      .add("watch", "true")
      .add("allowWatchBookmarks", "true")
      .add("resourceVersion", resource_version)
      .add("timeoutSeconds", fmt::to_string(timeout_seconds))
      .text();
}

}  // namespace meshauth::kube
