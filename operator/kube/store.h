// What we know of one kind: written by its reflector alone, read by everybody.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "operator/kube/object.h"

namespace meshauth::kube {

class Store {
 public:
  enum class Change { Added, Updated, Deleted };

  /// Runs in the writer's thread, after the change can be read, outside of any lock. was is null for Added, now for
  /// Deleted. Meant to put a name into a queue: it may read the store, and must not block.
  using Handler = std::function<void(Change change, const std::string& key, const Object& was, const Object& now)>;

  /// The values under which an object is found; none is fine.
  using Index = std::function<std::vector<std::string>(const nlohmann::json& object)>;

  // Before the first write.
  void on_change(Handler handler);
  void add_index(std::string name, Index index);

  // The readers' side.
  Object get(std::string_view key) const;  ///< key: namespace/name, or name; null if there is none
  std::vector<Object> list() const;        ///< all, in the order of their keys, as of one moment
  std::vector<std::string> keys() const;
  std::vector<Object> by_index(const std::string& name,
                               const std::string& value) const;  ///< in the order of their keys
  /// True if an object stands under the value: cheaper than by_index.
  bool has_index(const std::string& name, const std::string& value) const;
  std::vector<std::string> index_values(const std::string& name) const;
  std::size_t size() const;
  std::string resource_version() const;
  /// True once a whole list came in; stays true.
  bool has_synced() const;
  bool wait_synced(std::chrono::steady_clock::time_point deadline, const std::stop_token& stop) const;

  // The one writer's side.
  /// All at once, instead of what was there. False, and nothing changes, if version is older than what the store has
  /// already seen: that answer came from a server that is behind.
  [[nodiscard]] bool replace(std::vector<Object> objects, std::string version);
  /// An object older than the one we have is left out, its version counts all the same.
  void apply(Object object, std::string version);
  void remove(const nlohmann::json& object, std::string version);
  void bookmark(std::string version);

 private:
  struct Event {
    Change change;
    std::string key;
    Object was;
    Object now;
  };
  struct IndexState {
    Index index;
    std::unordered_map<std::string, std::set<std::string>> keys;  // value -> keys
  };

  std::optional<Event> put(const std::string& key, Object object);  // these two: mutex_ is held
  std::optional<Event> erase(const std::string& key);
  void unindex(const std::string& key, const nlohmann::json& object);
  void announce(const std::vector<Event>& events) const;

  std::vector<Handler> handlers_;  // fixed before the first write
  mutable std::shared_mutex mutex_;
  mutable std::condition_variable_any synced_changed_;
  // All below: guarded by mutex_.
  std::map<std::string, Object, std::less<>> objects_;
  std::map<std::string, IndexState, std::less<>> indexes_;
  std::string version_;
  bool synced_ = false;
};

}  // namespace meshauth::kube
