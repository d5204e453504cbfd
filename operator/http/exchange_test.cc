#include "operator/http/exchange.h"

#include <doctest/doctest.h>

#include <thread>

namespace meshauth::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Exchange::Time soon() {
  return steady_clock::now() + milliseconds(20);
}
Exchange::Time later() {
  return steady_clock::now() + std::chrono::seconds(30);
}

TEST_CASE("the reader gets the head, then the bytes, then the end") {
  Exchange exchange(1024);
  exchange.head(200, {{"A", "b"}});
  CHECK(exchange.put("one", [] {}) == Exchange::Put::More);
  CHECK(exchange.put("two", [] {}) == Exchange::Put::More);
  exchange.end("");
  REQUIRE(exchange.wait_head(later(), {}) == Exchange::Wait::Ready);
  CHECK(exchange.take_head().status == 200);
  std::string bytes;
  CHECK(exchange.take(bytes, later(), {}) == Exchange::Wait::Ready);
  CHECK(bytes == "onetwo");
  CHECK(exchange.take(bytes, later(), {}) == Exchange::Wait::End);
  CHECK(exchange.error().empty());
}

TEST_CASE("an error before the head ends the wait for the head") {
  Exchange exchange(1024);
  exchange.end("refused");
  CHECK(exchange.wait_head(later(), {}) == Exchange::Wait::End);
  CHECK(exchange.error() == "refused");
}

TEST_CASE("a full pipe holds the writer until the reader took the bytes") {
  Exchange exchange(4);
  int resumed = 0;
  CHECK(exchange.put("12345", [&] { ++resumed; }) == Exchange::Put::Full);
  CHECK(resumed == 0);
  std::string bytes;
  CHECK(exchange.take(bytes, later(), {}) == Exchange::Wait::Ready);
  CHECK(bytes == "12345");
  CHECK(resumed == 1);
}

TEST_CASE("a reader that has gone releases the writer and takes nothing more") {
  Exchange exchange(4);
  int resumed = 0;
  CHECK(exchange.put("12345", [&] { ++resumed; }) == Exchange::Put::Full);
  exchange.abandon();
  CHECK(resumed == 1);
  CHECK(exchange.put("6", [] {}) == Exchange::Put::Gone);
}

TEST_CASE("silence ends a wait at its deadline and a stop request at once") {
  Exchange exchange(4);
  std::string bytes;
  CHECK(exchange.wait_head(soon(), {}) == Exchange::Wait::Timeout);
  CHECK(exchange.take(bytes, soon(), {}) == Exchange::Wait::Timeout);
  std::stop_source source;
  std::jthread stopper([&] { source.request_stop(); });
  CHECK(exchange.take(bytes, later(), source.get_token()) == Exchange::Wait::Cancelled);
  CHECK(exchange.wait_head(later(), source.get_token()) == Exchange::Wait::Cancelled);
}

}  // namespace
}  // namespace meshauth::http
