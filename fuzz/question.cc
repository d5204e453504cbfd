// What a stock nginx asks the agent. A head that is understood says each thing once, in its own bytes, and lists no
// field of the connection that nginx did not put under another name; what is not understood changes nothing about the
// next one.
#include "sidecar/agent/question.h"

#include <algorithm>
#include <string>

#include "core/base/text.h"
#include "fuzz/check.h"

using namespace meshauth;

namespace {

bool inside(std::string_view part, const std::string& whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

/// Lines of the head that are a field of this name, in any case.
std::size_t fields(std::string_view head, std::string_view name) {
  std::size_t count = 0;
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
    const auto line = head.substr(at + 2);
    if (line.starts_with("\r\n")) break;
    count += line.size() > name.size() && line[name.size()] == ':' && iequals(line.substr(0, name.size()), name);
  }
  return count;
}

void check_told(const agent::Question& question, const std::string& head) {
  for (const char* name : {"mesh-auth-line", "mesh-auth-uri", "mesh-auth-peer", "mesh-auth-port", "mesh-auth-conf"}) {
    FUZZ_CHECK(fields(head, name) == 1);
  }
  for (const auto part : {question.request.method, question.request.target, question.unparsed_uri, question.auth_conf})
    FUZZ_CHECK(inside(part, head) && part.find("\r\n") == std::string_view::npos);
}

void check_headers(const agent::Question& question, const std::string& head) {
  for (const engine::Header& header : question.headers) {
    FUZZ_CHECK(!header.name.empty() && inside(header.name, head) && inside(header.value, head));
    FUZZ_CHECK(header.name.find(':') == std::string_view::npos);
    FUZZ_CHECK(header.name.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos);
    FUZZ_CHECK(header.value.find("\r\n") == std::string_view::npos);
  }
  for (const char* name :
       {"connection", "content-length", "expect", "keep-alive", "te", "transfer-encoding", "upgrade"}) {
    const auto told = std::count_if(question.headers.begin(), question.headers.end(),
                                    [&](const auto& header) { return header.name == name; });
    FUZZ_CHECK(static_cast<std::size_t>(told) == fields(head, std::string("mesh-auth-client-") + name));
  }
}

bool same(const agent::Question& a, const agent::Question& b) {
  return a.request.method == b.request.method && a.request.target == b.request.target &&
         a.request.peer == b.request.peer && a.request.port == b.request.port && a.unparsed_uri == b.unparsed_uri &&
         a.auth_conf == b.auth_conf &&
         std::equal(a.headers.begin(), a.headers.end(), b.headers.begin(), b.headers.end(),
                    [](const auto& x, const auto& y) { return x.name == y.name && x.value == y.value; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string head(fuzz::text_of(data, size));
  const auto question = agent::read_question(head);
  if (!question) {
    FUZZ_CHECK(!question.error().message.empty());
    return 0;
  }
  check_told(*question, head);
  check_headers(*question, head);
  // Names are in lower case now: read again it is the same, also with bytes of the next one behind it.
  std::string again = head + "GET / HTTP/1.1\r\nMesh-Auth-Line: x\r\n";
  const auto second = agent::read_question(again);
  FUZZ_CHECK(second && same(*question, *second));
  return 0;
}
