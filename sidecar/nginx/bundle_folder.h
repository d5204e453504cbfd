// The bundle's folder as a worker sees it: DIR/current -> revisions/<revision>, DIR/fresh.json. Reads and verifies;
// never writes. Every function may run in a pool thread; nothing here is shared.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "core/bundle/documents.h"
#include "core/engine/snapshot.h"

namespace meshauth::nginx {

/// Enough of a file's metadata to see that it is another one now.
struct FileStamp {
  bool exists = false;
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t modified = 0, changed = 0;  ///< nanoseconds

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

/// What `current` names and all that decides whether it is accepted. Equal stamps: a second look would say the same.
struct BundleStamp {
  std::string target;  ///< of the link
  FileStamp manifest, signature, trust;

  friend bool operator==(const BundleStamp&, const BundleStamp&) = default;
};

struct FreshStamp {
  FileStamp json, signature, trust;

  friend bool operator==(const FreshStamp&, const FreshStamp&) = default;
};

/// What a look at `current` found.
struct LoadedBundle {
  std::string name;  ///< the last part of the link's target, which is the revision; "current" if it is no link
  Result<std::unique_ptr<engine::Snapshot>> snapshot = fail("nothing was looked at");
};

class BundleFolder {
 public:
  /// workload: namespace/name, whose bundle it must be.
  BundleFolder(std::string folder, std::string trust_file, std::string workload);

  const std::string& path() const { return folder_; }

  /// Cheap: a handful of system calls, no content.
  BundleStamp bundle_stamp() const;
  FreshStamp fresh_stamp() const;

  /// Follows `current` once and reads everything below that one open folder, so that a link that moves meanwhile does
  /// not mix two bundles. Checks signature, digests and workload, then parses.
  LoadedBundle load() const;

  /// Errors: no file, not signed by a trusted key, not readable.
  Result<bundle::Fresh> load_fresh() const;

 private:
  Result<std::unique_ptr<engine::Snapshot>> load_revision(const std::string& path) const;
  Result<bundle::Trust> read_trust() const;

  std::string folder_, trust_file_, workload_;
};

/// For `nginx -t`: the file is there and holds at least one signing key.
Status check_trust_file(const std::string& path);

}  // namespace meshauth::nginx
