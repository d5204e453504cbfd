#include "operator/kube/read_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace meshauth::kube {

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rbe"));
  if (!file) return fail("{} cannot be read: {}", path, std::strerror(errno));
  std::string content;
  char buffer[16384];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file.get())) {
    content.append(buffer, n);
    if (content.size() > max_bytes) return fail("{} is larger than {} bytes", path, max_bytes);
  }
  if (std::ferror(file.get()) != 0) return fail("{} cannot be read: {}", path, std::strerror(errno));
  return content;
}

}  // namespace meshauth::kube
