// A folder of manifests as a source of objects: saving a file is a `kubectl apply`.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace meshauth::files {

/// Files *.yaml, *.yml and *.json directly in the folder; what begins with a dot is passed over. At most kMaxFiles.
/// A file that cannot be read as manifests keeps the objects of its last good form.
class Folder {
 public:
  static constexpr std::size_t kMaxFiles = 1024;
  static constexpr std::size_t kMaxFileBytes = 4 * 1024 * 1024;

  struct Handlers {
    /// A new or changed object; metadata.generation counts its changes. Never two objects of one kind and name.
    std::function<void(const nlohmann::json& object)> put;
    std::function<void(const std::string& kind, const std::string& id)> remove;
    /// A file that is refused, or two files with one object: a sentence that names them.
    std::function<void(const std::string& file, const std::string& message)> refused;
  };

  Folder(std::string path, Handlers handlers);
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  /// Reads the whole folder once. Errors: no such folder, no watch to be had.
  Status open();

  /// Waits for changes and reads what changed, until stopped. A file counts once it is closed or moved into place.
  void watch(const std::stop_token& stop);

 private:
  struct Held;
  void read_all();
  void read_file(const std::string& name);
  void settle();

  const std::string path_;
  const Handlers handlers_;
  int inotify_ = -1;
  std::map<std::string, std::vector<nlohmann::json>> files_;  ///< last good objects by file name
  std::map<std::string, std::unique_ptr<Held>> objects_;      ///< by "Kind namespace/name"
};

}  // namespace meshauth::files
