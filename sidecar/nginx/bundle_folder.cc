#include "sidecar/nginx/bundle_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "core/base/text.h"

namespace meshauth::nginx {
namespace {

constexpr std::size_t kMaxTrustBytes = 256 * 1024;
constexpr std::size_t kMaxSmallFile = 256 * 1024;  // manifest, signature, fresh.json: their readers are stricter still

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::string why() {
  return std::strerror(errno);
}

/// A regular file of at most `most` bytes. O_NONBLOCK: a fifo in its place must not hang a thread.
Result<std::string> read_at(int folder, const std::string& name, std::size_t most, int flags = 0) {
  const Fd fd(::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags));
  struct stat info {};
  if (!fd.open() || ::fstat(fd.get(), &info) != 0) return fail("{} cannot be opened: {}", name, why());
  if (!S_ISREG(info.st_mode)) return fail("{} is no regular file", name);
  std::string out;
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail("{} cannot be read: {}", name, why());
    if (got == 0) return out;
    out.append(buffer, static_cast<std::size_t>(got));
    if (out.size() > most) return fail("{} has more than {} bytes", name, most);
  }
}

FileStamp stamp_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  const auto nanoseconds = [](const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
  return {true,
          info.st_dev,
          info.st_ino,
          static_cast<std::uint64_t>(info.st_size),
          nanoseconds(info.st_mtim),
          nanoseconds(info.st_ctim)};
}

/// Empty if it is no link.
std::string link_target(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  return size > 0 ? std::string(target, static_cast<std::size_t>(size)) : std::string();
}

Result<bundle::Files> read_files(int folder) {
  bundle::Files files;
  for (const std::string_view name : bundle::kFiles) {
    auto content = read_at(folder, std::string(name), bundle::kMaxBundleBytes, O_NOFOLLOW);
    if (!content) return tl::unexpected(content.error());
    files.emplace(name, std::move(*content));
  }
  return files;
}

}  // namespace

BundleFolder::BundleFolder(std::string folder, std::string trust_file, std::string workload)
    : folder_(std::move(folder)), trust_file_(std::move(trust_file)), workload_(std::move(workload)) {}

BundleStamp BundleFolder::bundle_stamp() const {
  BundleStamp stamp;
  stamp.target = link_target(folder_ + "/current");
  stamp.manifest = stamp_of(folder_ + "/current/manifest.json");
  stamp.signature = stamp_of(folder_ + "/current/manifest.json.sig");
  stamp.trust = stamp_of(trust_file_);
  return stamp;
}

FreshStamp BundleFolder::fresh_stamp() const {
  return {stamp_of(folder_ + "/fresh.json"), stamp_of(folder_ + "/fresh.json.sig"), stamp_of(trust_file_)};
}

Result<bundle::Trust> BundleFolder::read_trust() const {
  auto text = read_at(AT_FDCWD, trust_file_, kMaxTrustBytes);
  if (!text) return tl::unexpected(text.error());
  auto trust = bundle::Trust::parse(*text);
  if (!trust) return fail("{}: {}", trust_file_, trust.error().message);
  return trust;
}

LoadedBundle BundleFolder::load() const {
  // The name that is reported and the folder that is read must be of one moment.
  const auto target = link_target(folder_ + "/current");
  if (target.empty()) return {"current", load_revision(folder_ + "/current")};
  const std::string path = target.starts_with('/') ? target : folder_ + '/' + target;
  return {target.substr(target.rfind('/') + 1), load_revision(path)};
}

Result<std::unique_ptr<engine::Snapshot>> BundleFolder::load_revision(const std::string& path) const {
  const Fd revision(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!revision.open()) return fail("{} cannot be opened: {}", path, why());
  auto trust = read_trust();
  if (!trust) return tl::unexpected(trust.error());
  auto manifest_json = read_at(revision.get(), "manifest.json", kMaxSmallFile, O_NOFOLLOW);
  if (!manifest_json) return tl::unexpected(manifest_json.error());
  auto signature = read_at(revision.get(), "manifest.json.sig", kMaxSmallFile, O_NOFOLLOW);
  if (!signature) return tl::unexpected(signature.error());
  auto manifest = bundle::open_manifest(*manifest_json, *signature, *trust, workload_);
  if (!manifest) return tl::unexpected(manifest.error());
  auto files = read_files(revision.get());
  if (!files) return tl::unexpected(files.error());
  if (auto checked = bundle::check_files(*manifest, *files); !checked) return tl::unexpected(checked.error());
  return engine::make_snapshot({std::move(*manifest), {}, {}, std::move(*files)});
}

Result<bundle::Fresh> BundleFolder::load_fresh() const {
  auto trust = read_trust();
  if (!trust) return tl::unexpected(trust.error());
  auto json = read_at(AT_FDCWD, folder_ + "/fresh.json", kMaxSmallFile);
  if (!json) return tl::unexpected(json.error());
  auto signature = read_at(AT_FDCWD, folder_ + "/fresh.json.sig", kMaxSmallFile);
  if (!signature) return tl::unexpected(signature.error());
  return bundle::open_fresh(*json, *signature, *trust);
}

Status check_trust_file(const std::string& path) {
  auto text = read_at(AT_FDCWD, path, kMaxTrustBytes);
  if (!text) return fail("{}", text.error().message);
  const auto trust = bundle::Trust::parse(*text);
  if (!trust) return fail("{}: {}", path, trust.error().message);
  if (trust->signing_keys.empty()) return fail("{} holds no signing key", path);
  return {};
}

}  // namespace meshauth::nginx
