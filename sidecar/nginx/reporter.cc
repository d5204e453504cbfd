#include "sidecar/nginx/reporter.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace meshauth::nginx {

Reporter::Reporter(std::string path) : path_(std::move(path)) {
  if (!path_.empty()) socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

Reporter::~Reporter() {
  if (socket_ >= 0) ::close(socket_);
}

bool Reporter::send(const engine::WorkerReport& report) {
  if (path_.empty()) return true;
  sockaddr_un address{};
  if (socket_ < 0 || path_.size() >= sizeof address.sun_path) return false;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  const std::string json = engine::to_json(report);
  if (json.size() > engine::kMaxWorkerReportBytes) return false;
  for (;;) {
    // Not connected: an agent that starts anew has another socket under the same name.
    const ssize_t sent = ::sendto(socket_, json.data(), json.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                                  reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (sent >= 0) return true;
    if (errno != EINTR) return false;
  }
}

}  // namespace meshauth::nginx
