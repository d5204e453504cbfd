// What the API server says when it will not.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "core/base/result.h"
#include "operator/http/client.h"

namespace meshauth::kube {

struct ApiError {
  int code = 0;          ///< the HTTP status; 0: there was no answer
  std::string reason{};  ///< of the Status object: NotFound, Conflict, Forbidden, Expired ...; "" without one
  std::string message{};
  std::optional<std::chrono::seconds> retry_after{};  ///< of the header, or of the Status object's details

  bool not_found() const { return code == 404; }
  /// A write on another resourceVersion than the current one, or a creation of what is there.
  bool conflict() const { return code == 409; }
  bool already_exists() const { return code == 409 && reason == "AlreadyExists"; }
  /// The list or watch has to start anew.
  bool expired() const { return code == 410 || reason == "Expired" || reason == "Gone"; }
  /// Worth another try without any change of ours.
  bool temporary() const { return code == 0 || code == 408 || code == 429 || code >= 500; }

  Error error() const { return Error{message}; }
};

template <class T>
using ApiResult = tl::expected<T, ApiError>;

/// From an answer with a status of 300 or more. what: the request, for the message.
ApiError parse_api_error(std::string_view what, const http::Response& response);

/// From a Status object's text, e.g. the object of a watch event of type ERROR.
ApiError parse_status_object(std::string_view what, int code, std::string_view body);

}  // namespace meshauth::kube
