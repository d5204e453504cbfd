// HTTP messages as the bytes that go over the wire, for asio::async_write. http::async_write, given the message itself,
// instantiates its serializer over every layer of the stream: ten seconds of compile time in each file.
#pragma once

#include <string>

#include "operator/asio/asio.h"

namespace meshauth::net {

/// The message as it is: prepare_payload was called.
std::string to_bytes(const http::request<http::string_body>& message);
std::string to_bytes(const http::response<http::string_body>& message);
/// The status line, the fields and the empty line.
std::string to_bytes(const http::response_header<>& header);

}  // namespace meshauth::net
