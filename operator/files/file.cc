#include "operator/files/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/base/digest.h"

namespace meshauth::files {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Status write_all(const std::string& path, std::string_view content, unsigned mode) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
  if (file.get() < 0) return fail("{} cannot be written: {}", path, std::strerror(errno));
  while (!content.empty()) {
    const ssize_t written = write(file.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail("{} cannot be written: {}", path, std::strerror(errno));
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail("folder {} cannot be made: {}", path, error.message());
  return {};
}

Status replace_link(const std::string& target, const std::string& link) {
  const std::string temporary = link + ".new";
  unlink(temporary.c_str());
  if (symlink(target.c_str(), temporary.c_str()) != 0 || rename(temporary.c_str(), link.c_str()) != 0) {
    return fail("link {} cannot be replaced: {}", link, std::strerror(errno));
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t most) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return fail("{} cannot be read: {}", path, std::strerror(errno));
  std::string out;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t size = read(file.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail("{} cannot be read: {}", path, std::strerror(errno));
    if (size == 0) return out;
    if (out.size() + static_cast<std::size_t>(size) > most) {
      return fail("{} has more than {} bytes, the most that is read", path, most);
    }
    out.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

Status write_file(const std::string& path, std::string_view content, unsigned mode) {
  const std::string folder = fs::path(path).parent_path();
  if (!folder.empty()) {
    if (auto made = make_folder(folder); !made) return made;
  }
  const std::string temporary = path + ".new";
  if (auto written = write_all(temporary, content, mode); !written) return written;
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return fail("{} cannot be replaced: {}", path, std::strerror(errno));
  }
  return {};
}

Status write_volume(const std::string& folder, const std::map<std::string, std::string>& files) {
  if (auto made = make_folder(folder); !made) return made;
  std::string names;
  for (const auto& [name, content] : files) names += name + '\0' + content + '\0';
  // kubelet names these by time; ours say what is in them, so that the same content is the same name.
  const std::string data = "..data_" + sha256_hex(names).substr(0, 16);
  const std::string place = folder + "/" + data;
  if (auto made = make_folder(place); !made) return made;
  for (const auto& [name, content] : files) {
    if (auto written = write_all(place + "/" + name, content, 0644); !written) return written;
  }
  if (auto linked = replace_link(data, folder + "/..data"); !linked) return linked;
  std::error_code error;
  for (const auto& [name, content] : files) {
    const std::string link = folder + "/" + name;
    if (fs::is_symlink(link, error)) continue;
    if (auto linked = replace_link("..data/" + name, link); !linked) return linked;
  }
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    const bool old_data = name.starts_with("..data_") && name != data;
    const bool old_file = !name.starts_with("..") && !files.contains(name);
    if (old_data || old_file) fs::remove_all(entry.path(), error);
  }
  return {};
}

Result<std::string> read_template(const std::string& folder, const std::string& file) {
  constexpr std::size_t kMaxTemplate = 256 * 1024;
  std::vector<std::string> places;
  std::error_code error;
  if (!folder.empty()) {
    places = {folder};
  } else {
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    // build/bin/... of a checkout, and an installed program.
    places = {program.parent_path() / "../../templates", program.parent_path() / "../share/mesh-auth/templates",
              "/usr/share/mesh-auth/templates"};
  }
  for (const std::string& place : places) {
    const fs::path path = fs::path(place) / file;
    if (fs::exists(path, error)) return read_file(path.lexically_normal().string(), kMaxTemplate);
  }
  return fail("--templates: {} is not in {}; name the folder that holds it", file, fmt::join(places, ", "));
}

}  // namespace meshauth::files
