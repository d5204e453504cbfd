// Boost.Asio and Boost.Beast with coroutines. Heavy: include it in .cc files only.
#pragma once

#include <utility>  // Boost 1.74's awaitable.hpp uses std::exchange without including it

#include <boost/asio.hpp>
#include <boost/asio/local/datagram_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace meshauth::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using tcp = boost::asio::ip::tcp;
using boost::system::error_code;

template <class T = void>
using Task = asio::awaitable<T>;

/// The completion token of every co_await here: errors go into `error`, nothing is thrown.
inline auto into(error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

}  // namespace meshauth::net
