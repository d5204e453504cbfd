// Cuts a stream of bytes into lines of bounded length.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace meshauth::http {

class LineSplitter {
 public:
  enum class Outcome { More, Stopped, TooLong };

  explicit LineSplitter(std::size_t max_line) : max_line_(max_line) {}

  /// Calls on_line for each line that became whole, without its LF or CR LF; empty lines are left out. At most
  /// max_line bytes of an unfinished line are kept.
  Outcome feed(std::string_view bytes, const std::function<bool(std::string_view)>& on_line);

  /// True if bytes of a line without its LF are left.
  bool unfinished() const { return !rest_.empty(); }

 private:
  std::size_t max_line_;
  std::string rest_;
};

}  // namespace meshauth::http
