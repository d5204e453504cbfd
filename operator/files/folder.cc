#include "operator/files/folder.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "operator/files/file.h"
#include "operator/files/manifest.h"

namespace meshauth::files {
namespace {

using nlohmann::json;

constexpr int kWakeMilliseconds = 200;  // how long stop() may take

bool is_manifest(const std::string& name) {
  return !name.starts_with(".") && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

/// "Kind namespace/name"; empty if the object has no kind or name. A namespace may be missing: "default".
std::string identity(json& object) {
  if (!object.is_object() || !object.contains("kind") || !object["kind"].is_string()) return "";
  json& metadata = object["metadata"];
  if (!metadata.is_object() || !metadata.contains("name") || !metadata["name"].is_string()) return "";
  if (!metadata.contains("namespace") && object["kind"] != "Namespace") metadata["namespace"] = "default";
  if (metadata.contains("namespace") && !metadata["namespace"].is_string()) return "";
  return object["kind"].get<std::string>() + " " + metadata.value("namespace", "") + "/" +
         metadata["name"].get<std::string>();
}

}  // namespace

struct Folder::Held {
  json object;  ///< as the file has it
  std::int64_t generation = 1;
};

Folder::Folder(std::string path, Handlers handlers) : path_(std::move(path)), handlers_(std::move(handlers)) {}

Folder::~Folder() {
  if (inotify_ >= 0) close(inotify_);
}

Status Folder::open() {
  std::error_code error;
  if (!std::filesystem::is_directory(path_, error)) {
    return fail("--source={}: no such folder; create it and put manifests (*.yaml) into it", path_);
  }
  inotify_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (inotify_ < 0 ||
      inotify_add_watch(inotify_, path_.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE) < 0) {
    return fail("--source={}: the folder cannot be watched: {}", path_, std::strerror(errno));
  }
  read_all();
  return {};
}

void Folder::read_all() {
  std::set<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename();
    if (is_manifest(name)) names.insert(name);
  }
  if (names.size() > kMaxFiles) {
    handlers_.refused(path_,
                      fmt::format("the folder has {} manifests; only the first {} are read", names.size(), kMaxFiles));
    while (names.size() > kMaxFiles) names.erase(std::prev(names.end()));
  }
  std::erase_if(files_, [&](const auto& file) { return !names.contains(file.first); });
  for (const std::string& name : names) read_file(name);
  settle();
}

void Folder::read_file(const std::string& name) {
  const std::string path = path_ + "/" + name;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    files_.erase(name);
    return;
  }
  auto text = files::read_file(path, kMaxFileBytes);
  auto objects = text ? parse_manifests(*text, name) : tl::unexpected(text.error());
  if (objects) {
    files_[name] = std::move(*objects);
  } else {
    handlers_.refused(name, objects.error().message + " (what this file said before stays in force)");
  }
}

/// Compares what the files say now with what was told, and tells the difference.
void Folder::settle() {
  std::map<std::string, std::pair<std::string, json>> wanted;  // identity -> (file, object)
  for (const auto& [file, objects] : files_) {
    for (json object : objects) {
      const std::string id = identity(object);
      if (id.empty()) {
        handlers_.refused(file, "an object has no kind or no metadata.name");
        continue;
      }
      const auto [it, is_new] = wanted.try_emplace(id, file, object);
      if (!is_new) handlers_.refused(file, id + " stands in " + it->second.first + " already; only that one counts");
    }
  }
  for (auto it = objects_.begin(); it != objects_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    const auto space = it->first.find(' ');
    handlers_.remove(it->first.substr(0, space), it->first.substr(space + 1));
    it = objects_.erase(it);
  }
  for (auto& [id, source] : wanted) {
    json& object = source.second;
    auto& held = objects_[id];
    if (held && held->object == object) continue;
    if (!held) {
      held = std::make_unique<Held>(Held{object, 1});
    } else {
      *held = {object, held->generation + 1};
    }
    object["metadata"]["generation"] = held->generation;
    object["metadata"]["uid"] = id;
    handlers_.put(object);
  }
}

void Folder::watch(const std::stop_token& stop) {
  alignas(inotify_event) std::array<char, 64 * (sizeof(inotify_event) + NAME_MAX + 1)> buffer{};
  while (!stop.stop_requested()) {
    pollfd wait{inotify_, POLLIN, 0};
    if (poll(&wait, 1, kWakeMilliseconds) <= 0) continue;
    const ssize_t size = read(inotify_, buffer.data(), buffer.size());
    bool overflow = false;
    std::set<std::string> changed;
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      overflow = overflow || (event->mask & IN_Q_OVERFLOW) != 0;
      if (event->len > 0 && is_manifest(event->name)) changed.insert(event->name);
      at += static_cast<ssize_t>(sizeof(inotify_event)) + event->len;
    }
    if (overflow) {
      read_all();
    } else if (!changed.empty()) {
      for (const std::string& name : changed) read_file(name);
      settle();
    }
  }
}

}  // namespace meshauth::files
