#include "operator/kube/store.h"

#include <nlohmann/json.hpp>

namespace meshauth::kube {

void Store::on_change(Handler handler) {
  handlers_.push_back(std::move(handler));
}

void Store::add_index(std::string name, Index index) {
  const std::lock_guard lock(mutex_);
  indexes_[std::move(name)] = IndexState{std::move(index), {}};
}

Object Store::get(std::string_view key) const {
  const std::shared_lock lock(mutex_);
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : found->second;
}

std::vector<Object> Store::list() const {
  const std::shared_lock lock(mutex_);
  std::vector<Object> out;
  out.reserve(objects_.size());
  for (const auto& [key, object] : objects_) out.push_back(object);
  return out;
}

std::vector<std::string> Store::keys() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::string> out;
  out.reserve(objects_.size());
  for (const auto& [key, object] : objects_) out.push_back(key);
  return out;
}

std::vector<Object> Store::by_index(const std::string& name, const std::string& value) const {
  const std::shared_lock lock(mutex_);
  std::vector<Object> out;
  const auto index = indexes_.find(name);
  if (index == indexes_.end()) return out;
  const auto keys = index->second.keys.find(value);
  if (keys == index->second.keys.end()) return out;
  for (const std::string& key : keys->second) out.push_back(objects_.find(key)->second);
  return out;
}

bool Store::has_index(const std::string& name, const std::string& value) const {
  const std::shared_lock lock(mutex_);
  const auto index = indexes_.find(name);
  return index != indexes_.end() && index->second.keys.contains(value);
}

std::vector<std::string> Store::index_values(const std::string& name) const {
  const std::shared_lock lock(mutex_);
  std::vector<std::string> out;
  if (const auto index = indexes_.find(name); index != indexes_.end()) {
    out.reserve(index->second.keys.size());
    for (const auto& [value, keys] : index->second.keys) out.push_back(value);
  }
  return out;
}

std::size_t Store::size() const {
  const std::shared_lock lock(mutex_);
  return objects_.size();
}

std::string Store::resource_version() const {
  const std::shared_lock lock(mutex_);
  return version_;
}

bool Store::has_synced() const {
  const std::shared_lock lock(mutex_);
  return synced_;
}

bool Store::wait_synced(std::chrono::steady_clock::time_point deadline, const std::stop_token& stop) const {
  std::shared_lock lock(mutex_);
  return synced_changed_.wait_until(lock, stop, deadline, [&] { return synced_; });
}

void Store::unindex(const std::string& key, const nlohmann::json& object) {
  for (auto& [name, state] : indexes_) {
    for (const std::string& value : state.index(object)) {
      const auto keys = state.keys.find(value);
      if (keys == state.keys.end()) continue;
      keys->second.erase(key);
      if (keys->second.empty()) state.keys.erase(keys);
    }
  }
}

std::optional<Store::Event> Store::put(const std::string& key, Object object) {
  const auto [at, added] = objects_.try_emplace(key);
  Object was = at->second;
  if (was && version_older(metadata(*object, "resourceVersion"), metadata(*was, "resourceVersion")))
    return std::nullopt;
  const bool same = was && *was == *object;
  if (was) unindex(key, *was);
  for (auto& [name, state] : indexes_) {
    for (const std::string& value : state.index(*object)) state.keys[value].insert(key);
  }
  at->second = object;
  if (same) return std::nullopt;
  return Event{added ? Change::Added : Change::Updated, key, std::move(was), std::move(object)};
}

std::optional<Store::Event> Store::erase(const std::string& key) {
  const auto found = objects_.find(key);
  if (found == objects_.end()) return std::nullopt;
  Object was = found->second;
  unindex(key, *was);
  objects_.erase(found);
  return Event{Change::Deleted, key, std::move(was), nullptr};
}

void Store::announce(const std::vector<Event>& events) const {
  for (const Event& event : events) {
    for (const Handler& handler : handlers_) handler(event.change, event.key, event.was, event.now);
  }
}

bool Store::replace(std::vector<Object> objects, std::string version) {
  std::vector<Event> events;
  {
    const std::unique_lock lock(mutex_);
    if (version_older(version, version_)) return false;
    std::set<std::string> listed;
    for (const Object& object : objects) {
      std::string key = object_key(*object);
      if (!key.empty()) listed.insert(std::move(key));
    }
    std::vector<std::string> gone;
    for (const auto& [key, object] : objects_) {
      if (!listed.contains(key)) gone.push_back(key);
    }
    for (const std::string& key : gone) events.push_back(*erase(key));
    for (Object& object : objects) {
      const std::string key = object_key(*object);
      if (key.empty()) continue;
      if (auto event = put(key, std::move(object))) events.push_back(std::move(*event));
    }
    version_ = std::move(version);
    synced_ = true;
    synced_changed_.notify_all();
  }
  announce(events);
  return true;
}

void Store::apply(Object object, std::string version) {
  std::vector<Event> events;
  {
    const std::unique_lock lock(mutex_);
    if (!version_older(version, version_)) version_ = std::move(version);
    const std::string key = object_key(*object);
    if (key.empty()) return;
    if (auto event = put(key, std::move(object))) events.push_back(std::move(*event));
  }
  announce(events);
}

void Store::remove(const nlohmann::json& object, std::string version) {
  std::vector<Event> events;
  {
    const std::unique_lock lock(mutex_);
    if (!version_older(version, version_)) version_ = std::move(version);
    if (auto event = erase(object_key(object))) events.push_back(std::move(*event));
  }
  announce(events);
}

void Store::bookmark(std::string version) {
  const std::unique_lock lock(mutex_);
  if (!version_older(version, version_)) version_ = std::move(version);
}

}  // namespace meshauth::kube
