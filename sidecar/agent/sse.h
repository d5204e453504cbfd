// Server-sent events as an agent reads them (WHATWG HTML, section 9.2.6), bounded.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace meshauth::agent {

struct ServerEvent {
  std::string name;  ///< "message" if the event named itself not
  std::string id;    ///< of this event, empty if it has none
  std::string data;  ///< lines joined by LF
  friend bool operator==(const ServerEvent&, const ServerEvent&) = default;
};

/// Bytes in, whole events out. Events without data are not dispatched, as the standard says.
class SseParser {
 public:
  /// most: bytes of one event, its name and lines together.
  SseParser(std::size_t most, std::function<void(ServerEvent)> dispatch)
      : most_(most), dispatch_(std::move(dispatch)) {}

  /// Error: an event over the bound; nothing more may be fed after it.
  Status feed(std::string_view bytes);

 private:
  void end_line();
  void field(std::string_view name, std::string_view value);

  std::size_t most_;
  std::function<void(ServerEvent)> dispatch_;
  std::string line_;
  bool after_cr_ = false;
  bool at_start_ = true;
  bool has_data_ = false;
  ServerEvent event_;
};

}  // namespace meshauth::agent
