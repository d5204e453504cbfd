// How a kind is followed: list in pages, then watch, then watch on; a pure state machine.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/result.h"
#include "operator/kube/object.h"

namespace meshauth::kube {

/// | state    | input                          | next     | effect on the store    |
/// |----------|--------------------------------|----------|------------------------|
/// | Empty    | page, more to come             | Listing  | -                      |
/// | Empty    | page, the last                 | Watching | Replace                |
/// | Listing  | page, more to come             | Listing  | -                      |
/// | Listing  | page, the last                 | Watching | Replace                |
/// | Listing  | the continue token expired     | Empty    | -                      |
/// | Watching | event of an object             | Watching | Apply, Remove          |
/// | Watching | BOOKMARK                       | Watching | Advance                |
/// | Watching | ERROR 410, HTTP 410            | Empty    | - (what we have stays) |
/// | Watching | end of the stream, other error | Watching | - (from the last version on) |
/// | Watching | the store refused the list     | Empty    | -                      |
class WatchMachine {
 public:
  enum class State { Empty, Listing, Watching };

  struct GetPage {
    std::string continue_token;  ///< empty: the first page, a consistent read
  };
  struct OpenWatch {
    std::string resource_version;
  };
  using Command = std::variant<GetPage, OpenWatch>;

  struct Nothing {};
  struct Replace {
    std::vector<Object> objects;
    std::string resource_version;
  };
  struct Apply {
    Object object;
    std::string resource_version;
  };
  struct Remove {
    Object object;
    std::string resource_version;
  };
  struct Advance {
    std::string resource_version;
  };
  struct Expired {  ///< list anew
    std::string message;
  };
  using Effect = std::variant<Nothing, Replace, Apply, Remove, Advance, Expired>;

  State state() const { return state_; }
  Command next() const;

  /// An answer to GetPage. An error: the answer is no list; the state stays, the same page is asked for again.
  Result<Effect> on_page(const nlohmann::json& list);
  /// One line of a watch. An error: the stream is not to be trusted any further; watch again from the last version.
  Result<Effect> on_event(std::string_view line);
  /// HTTP 410, or reason Expired, for a page or a watch.
  void on_expired();
  /// The store would not have the list.
  void on_refused() { on_expired(); }

 private:
  State state_ = State::Empty;
  std::string version_;
  std::string continue_;
  std::vector<Object> pages_;  // while Listing
};

std::string_view state_name(WatchMachine::State state) noexcept;

}  // namespace meshauth::kube
