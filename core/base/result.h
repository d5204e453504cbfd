// The one way a function says that it could not do its work.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace meshauth {

/// Why something failed, as one sentence for a person: what was found, and what would be right.
/// Never holds a secret or a token.
struct Error {
  std::string message;

  friend bool operator==(const Error&, const Error&) = default;
};

/// A value, or the reason that there is none.
template <class T>
using Result = tl::expected<T, Error>;

/// Status is a Result without a value.
using Status = Result<void>;

/// fail("{} is {} bytes long; at most {}", ...) makes the error side of any Result.
template <class... Args>
tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace meshauth
