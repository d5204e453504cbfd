// What every resource has, and how a resource says what is wrong with it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace meshauth::model {

/// metadata of an API object, as far as it matters here.
struct Meta {
  std::string ns;
  std::string name;
  std::string uid;
  std::int64_t generation = 0;

  std::string id() const { return ns + "/" + name; }
  friend bool operator==(const Meta&, const Meta&) = default;
};

/// One thing that is wrong: `spec.rules[0].to[1].paths[0]: found "..."; write ...`.
struct FieldError {
  std::string field;    ///< spec.rules[0].name
  std::string message;  ///< what was found, and what would be right
};
using FieldErrors = std::vector<FieldError>;

/// All of them as one message for a condition, at most `most` bytes (a condition holds 32768).
std::string to_message(const FieldErrors& errors, std::size_t most = 4096);

}  // namespace meshauth::model
