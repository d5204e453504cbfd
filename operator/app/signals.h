// SIGTERM and SIGINT as a stop token.
#pragma once

#include <stop_token>
#include <thread>

namespace meshauth::app {

/// Blocks both signals in the calling thread and in all that it starts, and waits for them in a thread of its own. A
/// second signal ends the program at once.
class Signals {
 public:
  Signals();
  ~Signals();
  std::stop_token stop() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::jthread thread_;
};

}  // namespace meshauth::app
