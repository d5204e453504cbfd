#include "sidecar/agent/question.h"

#include <doctest/doctest.h>

#include "core/base/text.h"

namespace meshauth::agent {
namespace {

const std::string kConf(64, 'a');

std::string head(const std::string& more = "", const std::string& line = "POST http://h/a?b HTTP/1.1",
                 const std::string& first = "GET / HTTP/1.1") {
  return first + "\r\nMesh-Auth-Line: " + line + "\r\nMesh-Auth-Uri: :/a?b\r\nMesh-Auth-Peer: 10.1.2.3\r\n" +
         "Mesh-Auth-Port: 8080\r\nMesh-Auth-Conf: " + kConf + "\r\nHost: h:81\r\n" + more + "\r\n";
}

TEST_CASE("a question is the client's request, as nginx read it") {
  std::string text = head("X-A: 1\r\nx-a:  2 \r\nMesh-Auth-Client-Upgrade: websocket\r\nMesh-Auth-Other: o\r\n");
  const auto question = read_question(text);
  REQUIRE(question);
  CHECK(question->request.method == "POST");
  CHECK(question->request.target == "http://h/a?b");
  CHECK(question->unparsed_uri == "/a?b");
  CHECK(question->request.peer.text() == "10.1.2.3");
  CHECK(question->request.port == 8080);
  CHECK(question->auth_conf == kConf);
  std::string all;
  for (const auto& [name, value] : question->headers) all += fmt::format("{}={};", name, value);
  CHECK(all == "host=h:81;x-a=1;x-a= 2 ;upgrade=websocket;mesh-auth-other=o;");
}

TEST_CASE("bytes that are data to HTTP stay what they are") {
  std::string text = head("X-A: a\x0b\x85z\r\n", "GET /\xc3\xa4 HTTP/1.0");
  const auto question = read_question(text);
  REQUIRE(question);
  CHECK(question->headers.back().value == "a\x0b\x85z");
  CHECK(question->request.target == "/\xc3\xa4");
}

TEST_CASE("a unix peer has no address") {
  std::string text = head();
  text.replace(text.find("10.1.2.3"), 8, "unix:");
  const auto question = read_question(text);
  REQUIRE(question);
  CHECK(question->request.peer == IpAddress{});
}

TEST_CASE("what the rendered nginx.conf does not send is no question") {
  const auto without = [](std::string_view name) {
    std::string text = head();
    const auto at = text.find(name);
    return text.erase(at, text.find("\r\n", at) + 2 - at);
  };
  const auto with = [](std::string_view old, std::string_view now) {
    std::string text = head();
    return text.replace(text.find(old), old.size(), now);
  };
  for (std::string text : {std::string("\r\n\r\n"),
                           head("", "GET / HTTP/1.1", "POST / HTTP/1.1"),
                           head("", "x", "GET /a HTTP/1.1"),
                           head("", "x", "GET / HTTP/1.0"),
                           head("Content-Length: 1\r\n"),
                           head("Transfer-Encoding: chunked\r\n"),
                           head("Upgrade: h2c\r\n"),
                           head("no colon\r\n"),
                           head(": no name\r\n"),
                           head("Mesh-Auth-Line: GET /x\r\n"),
                           head("mesh-auth-conf: " + kConf + "\r\n"),
                           without("Mesh-Auth-Line"),
                           without("Mesh-Auth-Uri"),
                           without("Mesh-Auth-Peer"),
                           without("Mesh-Auth-Port"),
                           without("Mesh-Auth-Conf"),
                           with(":/a?b", "/a?b"),
                           with("10.1.2.3", "10.1.2"),
                           with("8080", "80x"),
                           with("8080", "70000"),
                           head().substr(0, 60),
                           head().substr(0, head().size() - 2)}) {
    CAPTURE(text);
    CHECK_FALSE(read_question(text));
  }
}

TEST_CASE("an answer holds no line that a value made") {
  Answer answer(403);
  answer.add("Mesh-Auth-Rule", "read");
  answer.add("Mesh-Auth-Subject", "");
  answer.add("Mesh-Auth-Header-X", "a\r\nMesh-Auth-Header-Y: b");
  CHECK(std::move(answer).bytes() ==
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nMesh-Auth-Rule: read\r\n"
        "Mesh-Auth-Header-X: a%0D%0AMesh-Auth-Header-Y: b\r\n\r\n");
}

}  // namespace
}  // namespace meshauth::agent
