#include "operator/asio/message.h"

#include <sstream>

namespace meshauth::net {
namespace {

template <class Header>
std::string header_bytes(const Header& header) {
  std::ostringstream out;
  out << header;
  return std::move(out).str();
}

}  // namespace

std::string to_bytes(const http::request<http::string_body>& message) {
  return header_bytes(message.base()) + message.body();
}

std::string to_bytes(const http::response<http::string_body>& message) {
  return header_bytes(message.base()) + message.body();
}

std::string to_bytes(const http::response_header<>& header) {
  return header_bytes(header);
}

}  // namespace meshauth::net
