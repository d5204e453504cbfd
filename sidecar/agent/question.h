// What a stock nginx asks the agent about each request (auth_request), and what it is answered: HTTP/1.1 as the
// rendered nginx.conf makes it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/engine/request.h"

namespace meshauth::agent {

/// Views into the head that it was read from.
struct Question {
  engine::HttpRequest request;
  std::vector<engine::Header> headers;  ///< of request
  std::string_view unparsed_uri;        ///< what nginx hands the application
  std::string_view auth_conf;           ///< digest of the auth.conf that this nginx worker has
};

/// head: from the request line to the empty line; names are made lower case in place. Errors: anything that our
/// nginx.conf does not send, so that nothing is decided on a guess.
Result<Question> read_question(std::string& head);

/// The answer's bytes, a field at a time. It has no body.
class Answer {
 public:
  explicit Answer(int status);
  /// An empty value is left out. Line ends in a value, which cannot be, are percent-encoded.
  void add(std::string_view name, std::string_view value);
  /// Ends the answer.
  std::string bytes() &&;

 private:
  std::string text_;
};

}  // namespace meshauth::agent
