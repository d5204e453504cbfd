// Tells when something in a folder may have changed: inotify, and a look now and then for file systems without it.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.h"
#include "operator/asio/asio.h"

namespace meshauth::agent {

class FolderWatch {
 public:
  FolderWatch(net::asio::io_context& io, std::string path, std::chrono::milliseconds every,
              std::function<void()> changed);

  void start();
  void stop();

 private:
  void watch();
  void read();
  void wait();

  std::string path_;
  std::chrono::milliseconds every_;
  std::function<void()> changed_;
  net::asio::posix::stream_descriptor inotify_;
  net::asio::steady_timer timer_;
  char buffer_[4096];
};

}  // namespace meshauth::agent
