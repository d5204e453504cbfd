// The bundle: all that one workload's sidecars need, immutable. Its files, its manifest, its signature.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/bundle/keys.h"

namespace meshauth::bundle {

constexpr int kFormatVersion = 1;
constexpr std::size_t kMaxBundleBytes = 900 * 1024;  ///< of all files; etcd refuses objects over 1.5 MiB

/// The files that the revision covers, in this order.
inline constexpr std::string_view kFiles[] = {"auth.conf", "jwks.json", "policy.json"};

/// Which bundle is newer: (term of the operator's leadership, stamp within it).
struct Epoch {
  std::uint64_t term = 0;
  std::uint64_t sequence = 0;
  friend auto operator<=>(const Epoch&, const Epoch&) = default;
};

using Files = std::map<std::string, std::string>;

struct FileEntry {
  std::string name;
  std::size_t size = 0;
  std::string sha256;  ///< 64 hex digits
  friend bool operator==(const FileEntry&, const FileEntry&) = default;
};

struct Manifest {
  int format_version = kFormatVersion;
  std::string workload;  ///< namespace/name
  std::string revision;  ///< 64 hex digits
  Epoch epoch;
  std::vector<FileEntry> files;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

struct Bundle {
  Manifest manifest;
  std::string manifest_json;  ///< the exact bytes that are signed
  std::string signature;      ///< base64 of 64 bytes
  Files files;                ///< exactly kFiles
};

/// SHA-256 over the lines `name NUL size NUL sha256hex LF` of kFiles.
std::string revision_of(const Files& files);

/// What an auth.conf makes nginx do, as 64 hex digits: SHA-256 over its lines that are neither empty nor comments.
std::string auth_conf_digest(std::string_view auth_conf);

/// Errors: a file missing or too many, more than kMaxBundleBytes.
Result<Bundle> make_bundle(Files files, std::string workload, Epoch epoch, const SigningKey& key);

/// The same bundle, byte for byte, under a signature of this key.
Bundle sign_anew(Bundle bundle, const SigningKey& key);

/// The trusted key (32 bytes) that signed it; nullopt: none of them did.
std::optional<std::string> signer_of(const Bundle& bundle, const Trust& trust);

/// Checks the signature against the trusted keys, then reads. A format version that is not ours is an error that says
/// so; so is a manifest for another workload.
Result<Manifest> open_manifest(std::string_view manifest_json, std::string_view signature, const Trust& trust,
                               std::string_view workload);

/// Size, digest and name of every file, and the revision.
Status check_files(const Manifest& manifest, const Files& files);

/// open_manifest and check_files.
Result<Bundle> open_bundle(std::string manifest_json, std::string signature, Files files, const Trust& trust,
                           std::string_view workload);

}  // namespace meshauth::bundle
