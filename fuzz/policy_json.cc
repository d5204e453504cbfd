// policy.json from outside: what is read is written back the same, and an engine of it decides without a crash.
#include "core/policy/engine.h"

#include "core/base/text.h"
#include "fuzz/check.h"

using namespace meshauth;

namespace {

void ask(const policy::Engine& engine, std::string_view raw) {
  const auto path = policy::decode_path(raw);
  FUZZ_CHECK(path);
  policy::Request request;
  request.method = "GET";
  request.path = &*path;
  request.host = "orders.example.com";
  request.port = 8080;
  const policy::Decision decision = engine.decide(policy::Principal{}, request);
  const policy::Verdict& verdict = decision.enforced;
  FUZZ_CHECK(verdict.allow == (verdict.reason == Reason::none));
  FUZZ_CHECK(verdict.allow || reason_status(verdict.reason) == 401 || reason_status(verdict.reason) == 403);
  FUZZ_CHECK(!decision.audit || decision.audit->allow != verdict.allow);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto read = policy::from_json(fuzz::text_of(data, size));
  if (!read) {
    FUZZ_CHECK(!read.error().message.empty() && valid_utf8(read.error().message));
    return 0;
  }
  const std::string written = policy::to_json(*read);
  const auto again = policy::from_json(written);
  FUZZ_CHECK(again);
  FUZZ_CHECK(policy::to_json(*again) == written);
  const policy::Engine engine(std::move(*read));
  for (const auto raw : {"/", "/a/b", "/users/alice/orders/7"}) ask(engine, raw);
  return 0;
}
