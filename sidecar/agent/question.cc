#include "sidecar/agent/question.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/base/text.h"
#include "core/engine/challenge.h"
#include "core/engine/forwarded.h"
#include "core/engine/request_line.h"

namespace meshauth::agent {
namespace {

constexpr std::string_view kFirstLine = "GET / HTTP/1.1";
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kOurs = "mesh-auth-";
constexpr std::string_view kClients = "mesh-auth-client-";

/// The client's fields of the connection, which nginx keeps to itself and tells under other names.
constexpr std::string_view kOfTheConnection[] = {"connection", "content-length",    "expect", "keep-alive",
                                                 "te",         "transfer-encoding", "upgrade"};

bool is_of_the_connection(std::string_view name) {
  return std::find(std::begin(kOfTheConnection), std::end(kOfTheConnection), name) != std::end(kOfTheConnection);
}

/// What nginx.conf says about the request.
struct Told {
  std::optional<std::string_view> line, uri, peer, port, conf;

  std::optional<std::string_view>* find(std::string_view name) {
    if (name == "mesh-auth-line") return &line;
    if (name == "mesh-auth-uri") return &uri;
    if (name == "mesh-auth-peer") return &peer;
    if (name == "mesh-auth-port") return &port;
    return name == "mesh-auth-conf" ? &conf : nullptr;
  }
  bool complete() const { return line && uri && uri->starts_with(':') && peer && port && conf; }
};

Status read_field(std::string_view name, std::string_view value, Told& told, std::vector<engine::Header>& headers) {
  if (name == "connection") return {};  // nginx's own
  if (is_of_the_connection(name)) return fail("field {}: a question has no body", name);
  if (!name.starts_with(kOurs)) {
    headers.push_back({name, value});
    return {};
  }
  if (auto* place = told.find(name)) {
    if (*place) return fail("field {} is there twice", name);
    *place = value;
    return {};
  }
  if (name.starts_with(kClients) && is_of_the_connection(name.substr(kClients.size()))) {
    name.remove_prefix(kClients.size());
  }
  headers.push_back({name, value});
  return {};
}

Status read_told(const Told& told, Question& question) {
  if (!told.complete()) return fail("nginx does not tell the request; is this its rendered nginx.conf?");
  const auto line = engine::split_request_line(*told.line);
  question.request.method = line.method;
  question.request.target = line.target;
  question.unparsed_uri = told.uri->substr(1);
  question.auth_conf = *told.conf;
  if (!told.peer->starts_with("unix:")) {
    const auto peer = IpAddress::parse(*told.peer);
    if (!peer) return fail("the peer is {}, no address", in_quotes(*told.peer));
    question.request.peer = *peer;
  }
  const char* const end = told.port->data() + told.port->size();
  const auto port = std::from_chars(told.port->data(), end, question.request.port);
  if (port.ec != std::errc() || port.ptr != end) return fail("the port is {}", in_quotes(*told.port));
  return {};
}

}  // namespace

Result<Question> read_question(std::string& head) {
  Question question;
  Told told;
  std::size_t at = head.find(kLineEnd);
  if (at == std::string::npos || std::string_view(head).substr(0, at) != kFirstLine) return fail("no GET of /");
  for (at += kLineEnd.size();;) {
    const auto end = head.find(kLineEnd, at);
    if (end == std::string::npos) return fail("the head does not end");
    if (end == at) break;
    const auto colon = head.find(':', at);
    if (colon == at || colon >= end) return fail("a line is no field");
    std::transform(head.begin() + static_cast<std::ptrdiff_t>(at), head.begin() + static_cast<std::ptrdiff_t>(colon),
                   head.begin() + static_cast<std::ptrdiff_t>(at),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const std::string_view text = head;
    auto value = text.substr(colon + 1, end - colon - 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (auto read = read_field(text.substr(at, colon - at), value, told, question.headers); !read) {
      return tl::unexpected(read.error());
    }
    at = end + kLineEnd.size();
  }
  if (auto read = read_told(told, question); !read) return tl::unexpected(read.error());
  return question;
}

Answer::Answer(int status)
    : text_(fmt::format("HTTP/1.1 {} {}\r\nContent-Length: 0\r\n", status,
                        status == 200 ? "OK" : engine::phrase(status))) {}

void Answer::add(std::string_view name, std::string_view value) {
  if (value.empty()) return;
  text_.append(name).append(": ");
  if (value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos) {
    text_.append(value);
  } else {
    text_.append(engine::harmless(value));
  }
  text_.append(kLineEnd);
}

std::string Answer::bytes() && {
  text_.append(kLineEnd);
  return std::move(text_);
}

}  // namespace meshauth::agent
