// One HTTP exchange between the thread that asked and the threads that read the socket: the head of the answer, then a
// bounded pipe of its bytes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "operator/http/client.h"

namespace meshauth::http {

/// The writer calls head() at most once, then put() until it had enough, then end() once. The reader waits; whoever of
/// the two goes first leaves the other with nothing to wait for: after abandon() nothing is kept any more.
class Exchange {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Wait { Ready, End, Timeout, Cancelled };

  struct Head {
    int status = 0;
    Headers headers;
  };

  /// capacity: bytes that may wait; put() takes a whole piece where anything is free, so one piece more may lie there.
  explicit Exchange(std::size_t capacity) : capacity_(capacity) {}

  // The writer's side.
  void head(int status, Headers headers);
  enum class Put { More, Full, Gone };
  /// Full: the bytes were taken, and resume runs (in the reader's thread) when there is room again, or when the reader
  /// has gone. Gone: nobody reads any more.
  Put put(std::string_view bytes, std::function<void()> resume);
  /// error is empty for a proper end.
  void end(std::string error);

  // The reader's side.
  Wait wait_head(Time deadline, const std::stop_token& stop);
  /// Moves all bytes that wait into out (its old content goes). End only when nothing is left.
  Wait take(std::string& out, Time deadline, const std::stop_token& stop);
  void abandon();

  /// Valid after wait_head() gave Ready.
  Head take_head();
  /// What end() said; valid after End.
  std::string error() const;
  bool gone() const;

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // All below: guarded by mutex_.
  std::optional<Head> head_;
  std::string bytes_;
  std::function<void()> resume_;
  std::string error_;
  bool ended_ = false;
  bool gone_ = false;
};

}  // namespace meshauth::http
