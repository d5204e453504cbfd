// The bundle's folder as the agent writes it and nginx's workers read it:
//
//   DIR/revisions/<revision>/{manifest.json,manifest.json.sig,auth.conf,jwks.json,policy.json}
//   DIR/current -> revisions/<revision>      replaced by rename(2)
//   DIR/fresh.json, DIR/fresh.json.sig       the newest signed times of the key sources
//   DIR/epoch.json                           the highest epoch ever verified here
//
// Blocking, but small: a memory volume.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/bundle/bundle.h"
#include "core/bundle/keys.h"

namespace meshauth::agent {

/// A file of at most `most` bytes. Errors name the file.
Result<std::string> read_file(const std::string& path, std::size_t most);
/// Readers see the old content or the new one, never a part. mode as open(2).
Status write_file(const std::string& path, std::string_view content, unsigned mode = 0644);

/// Reads manifest, signature and files below one folder (also a mounted ConfigMap), and verifies all of it.
Result<bundle::Bundle> read_bundle(const std::string& path, const bundle::Trust& trust, std::string_view workload);

class BundleFolder {
 public:
  /// Makes the folders that are missing. Errors: not a folder, not writable.
  static Result<BundleFolder> open(std::string path);

  /// What `current` names, verified. nullopt: there is no link. Error: it names no good bundle.
  Result<std::optional<bundle::Bundle>> current(const bundle::Trust& trust, std::string_view workload) const;

  /// The bundle's files, whole or not at all. What is there under this revision already is replaced if it differs.
  Status write(const bundle::Bundle& bundle) const;
  /// `current` names this revision from now on; an empty one takes the link away.
  Status point(const std::string& revision) const;
  /// Removes a revision. Never the one that `current` names.
  void discard(const std::string& revision) const;
  /// Removes all revisions but these.
  void prune(const std::string& keep, const std::string& keep_too) const;

  bundle::Epoch highest_epoch() const;  ///< {0, 0} if none is known
  Status set_highest_epoch(const bundle::Epoch& epoch) const;

  /// Writes fresh.json and its signature if any of its sources is newer than in what is there, or if it is the same
  /// under the signature of another key. True: written.
  Result<bool> set_fresh(const std::string& json, const std::string& signature, const bundle::Trust& trust) const;
  std::string fresh_json() const;  ///< empty if there is none

  const std::string& path() const { return path_; }

 private:
  explicit BundleFolder(std::string path) : path_(std::move(path)) {}
  std::string revision_path(const std::string& revision) const { return path_ + "/revisions/" + revision; }
  std::string current_revision() const;

  std::string path_;
};

}  // namespace meshauth::agent
