#include "sidecar/agent/watch.h"

#include <sys/inotify.h>

namespace meshauth::agent {

FolderWatch::FolderWatch(net::asio::io_context& io, std::string path, std::chrono::milliseconds every,
                         std::function<void()> changed)
    : path_(std::move(path)), every_(every), changed_(std::move(changed)), inotify_(io), timer_(io) {}

void FolderWatch::start() {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd >= 0) {
    inotify_.assign(fd);
    watch();
    read();
  }
  wait();
}

void FolderWatch::stop() {
  net::error_code ignored;
  inotify_.close(ignored);
  timer_.cancel();
}

// The folder may come later, or be another one later: adding the same one again does nothing.
void FolderWatch::watch() {
  if (!inotify_.is_open()) return;
  ::inotify_add_watch(inotify_.native_handle(), path_.c_str(),
                      IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_ONLYDIR);
}

void FolderWatch::read() {
  inotify_.async_read_some(net::asio::buffer(buffer_), [this](net::error_code error, std::size_t) {
    if (error) return;
    changed_();
    read();
  });
}

void FolderWatch::wait() {
  timer_.expires_after(every_);
  timer_.async_wait([this](net::error_code error) {
    if (error) return;
    watch();
    changed_();
    wait();
  });
}

}  // namespace meshauth::agent
