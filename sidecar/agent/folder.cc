#include "sidecar/agent/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/base/json_doc.h"
#include "core/base/text.h"
#include "core/bundle/documents.h"

namespace meshauth::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxSmallFile = 256 * 1024;
constexpr const char* kManifest = "manifest.json";
constexpr const char* kSignature = "manifest.json.sig";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

bool is_revision(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Status write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const auto written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail("{}", std::strerror(errno));
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail("folder {} cannot be made: {}", in_quotes(path), error.message());
  return {};
}

// A bundle as the files of its folder.
bundle::Files files_of(const bundle::Bundle& bundle) {
  bundle::Files files = bundle.files;
  files[kManifest] = bundle.manifest_json;
  files[kSignature] = bundle.signature;
  return files;
}

bool holds(const std::string& path, const bundle::Files& files) {
  for (const auto& [name, content] : files) {
    const auto there = read_file(path + "/" + name, bundle::kMaxBundleBytes);
    if (!there || *there != content) return false;
  }
  return true;
}

void remove_all(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

// Puts the folder `made` in the place of `path`, whether that exists or not.
Status put_in_place(const std::string& made, const std::string& path) {
  if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EEXIST && ::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0) {
    remove_all(made);
    return {};
  }
  if (errno == EINVAL) {  // a file system without these flags
    remove_all(path);
    if (::rename(made.c_str(), path.c_str()) == 0) return {};
  }
  return fail("folder {} cannot be put in place: {}", in_quotes(path), std::strerror(errno));
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t most) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return fail("{} cannot be read: {}", path, std::strerror(errno));
  std::string content;
  char part[16 * 1024];
  while (true) {
    const auto got = ::read(file.get(), part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail("{} cannot be read: {}", path, std::strerror(errno));
    if (got == 0) return content;
    content.append(part, static_cast<std::size_t>(got));
    if (content.size() > most) return fail("{} has over {} bytes", path, most);
  }
}

Status write_file(const std::string& path, std::string_view content, unsigned mode) {
  const std::string made = path + ".new";
  {
    const Descriptor file(::open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
    if (file.get() < 0) return fail("{} cannot be written: {}", path, std::strerror(errno));
    if (const auto written = write_all(file.get(), content); !written) {
      return fail("{} cannot be written: {}", path, written.error().message);
    }
  }
  if (::rename(made.c_str(), path.c_str()) != 0)
    return fail("{} cannot be put in place: {}", path, std::strerror(errno));
  return {};
}

Result<bundle::Bundle> read_bundle(const std::string& path, const bundle::Trust& trust, std::string_view workload) {
  auto manifest = read_file(fmt::format("{}/{}", path, kManifest), kMaxSmallFile);
  if (!manifest) return tl::unexpected(manifest.error());
  auto signature = read_file(fmt::format("{}/{}", path, kSignature), kMaxSmallFile);
  if (!signature) return tl::unexpected(signature.error());
  bundle::Files files;
  for (const auto name : bundle::kFiles) {
    auto content = read_file(fmt::format("{}/{}", path, name), bundle::kMaxBundleBytes);
    if (!content) return tl::unexpected(content.error());
    files.emplace(name, std::move(*content));
  }
  return bundle::open_bundle(std::move(*manifest), std::move(*signature), std::move(files), trust, workload);
}

Result<BundleFolder> BundleFolder::open(std::string path) {
  if (const auto made = make_folder(path + "/revisions"); !made) return tl::unexpected(made.error());
  if (::access(path.c_str(), W_OK) != 0) {
    return fail("--bundle-dir {} is not writable: {}", in_quotes(path), std::strerror(errno));
  }
  return BundleFolder(std::move(path));
}

std::string BundleFolder::current_revision() const {
  std::error_code error;
  const auto target = fs::read_symlink(path_ + "/current", error);
  return error ? std::string() : target.filename().string();
}

Result<std::optional<bundle::Bundle>> BundleFolder::current(const bundle::Trust& trust,
                                                            std::string_view workload) const {
  const auto revision = current_revision();
  if (revision.empty()) return std::optional<bundle::Bundle>();
  auto bundle = read_bundle(path_ + "/current", trust, workload);
  if (!bundle) return tl::unexpected(bundle.error());
  if (bundle->manifest.revision != revision) return fail("{}/current holds another revision than it names", path_);
  return std::optional(std::move(*bundle));
}

Status BundleFolder::write(const bundle::Bundle& bundle) const {
  const auto path = revision_path(bundle.manifest.revision);
  const auto files = files_of(bundle);
  if (holds(path, files)) return {};
  const auto made = path_ + "/revisions/.new";
  remove_all(made);
  if (const auto folder = make_folder(made); !folder) return folder;
  for (const auto& [name, content] : files) {
    if (const auto written = write_file(made + "/" + name, content); !written) return written;
  }
  return put_in_place(made, path);
}

Status BundleFolder::point(const std::string& revision) const {
  const auto link = path_ + "/current";
  if (revision.empty()) {
    if (::unlink(link.c_str()) != 0 && errno != ENOENT) return fail("{}: {}", link, std::strerror(errno));
    return {};
  }
  const auto made = path_ + "/current.new";
  ::unlink(made.c_str());
  if (::symlink(("revisions/" + revision).c_str(), made.c_str()) != 0 || ::rename(made.c_str(), link.c_str()) != 0) {
    return fail("{} cannot be pointed to {}: {}", link, revision, std::strerror(errno));
  }
  return {};
}

void BundleFolder::discard(const std::string& revision) const {
  if (is_revision(revision) && revision != current_revision()) remove_all(revision_path(revision));
}

void BundleFolder::prune(const std::string& keep, const std::string& keep_too) const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_ + "/revisions", error)) {
    const auto name = entry.path().filename().string();
    if (name != keep && name != keep_too && name != current_revision()) remove_all(entry.path().string());
  }
}

bundle::Epoch BundleFolder::highest_epoch() const {
  const auto text = read_file(path_ + "/epoch.json", kMaxSmallFile);
  if (!text) return {};
  const auto doc = JsonDoc::parse(*text);
  bundle::Epoch epoch;
  if (!doc || doc->root()["term"].get(epoch.term) != simdjson::SUCCESS ||
      doc->root()["sequence"].get(epoch.sequence) != simdjson::SUCCESS) {
    return {};
  }
  return epoch;
}

Status BundleFolder::set_highest_epoch(const bundle::Epoch& epoch) const {
  return write_file(path_ + "/epoch.json", fmt::format(R"({{"term":{},"sequence":{}}})"
                                                       "\n",
                                                       epoch.term, epoch.sequence));
}

std::string BundleFolder::fresh_json() const {
  return read_file(path_ + "/fresh.json", bundle::kMaxBundleBytes).value_or("");
}

Result<bool> BundleFolder::set_fresh(const std::string& json, const std::string& signature,
                                     const bundle::Trust& trust) const {
  const auto held_signature = read_file(path_ + "/fresh.json.sig", kMaxSmallFile).value_or("");
  const bool same = json == fresh_json();
  if (same && signature == held_signature) return false;
  const auto fresh = bundle::open_fresh(json, signature, trust);
  if (!fresh) return tl::unexpected(fresh.error());
  if (const auto held = bundle::open_fresh(fresh_json(), held_signature, trust)) {
    auto merged = *held;
    merged.merge(*fresh);
    if (merged == *held && !same) return false;  // nothing in it is newer, nor is it signed by another key
  }
  // The signature first: workers look when fresh.json changes.
  if (const auto written = write_file(path_ + "/fresh.json.sig", signature); !written) {
    return tl::unexpected(written.error());
  }
  if (const auto written = write_file(path_ + "/fresh.json", json); !written) return tl::unexpected(written.error());
  return true;
}

}  // namespace meshauth::agent
