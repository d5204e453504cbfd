// What needs no server; e2e/tests/test_prove.py asks a real sidecar.
#include <doctest/doctest.h>

#include "cli/commands.h"
#include "cli/testing/run.h"

namespace meshauth::cli {
namespace {

using testing::run;

testing::Outcome prove(const std::string& url, const std::string& claims, const std::string& ca_file) {
  return run(add_prove, {"prove", "--url", url, "--dev-idp", "https://127.0.0.1:1", "--dev-idp-ca", ca_file, "--claims",
                         claims, "--within", "0"});
}

TEST_CASE("prove: what is no question is wrong usage, and says what would be right") {
  const testing::TempFolder folder;
  const std::string empty = folder.file("ca.pem", "");
  CHECK(prove("http://127.0.0.1:1", "[]", empty).err.find("--claims is no JSON object") != std::string::npos);
  CHECK(prove("http://127.0.0.1:1", "[]", empty).code == kUsage);
  CHECK(prove("orders", "{}", empty).err.find("--url") != std::string::npos);
  CHECK(prove("orders", "{}", empty).code == kUsage);
  CHECK(prove("http://127.0.0.1:1", "{}", "/nothing/here").code == kUsage);
}

TEST_CASE("prove: a workload that does not answer proves nothing") {
  const testing::TempFolder folder;
  const auto outcome = prove("http://127.0.0.1:1", "{}", folder.file("ca.pem", ""));
  CHECK(outcome.code == kFailed);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.find("not 401 and 200 within 0 s") != std::string::npos);
}

}  // namespace
}  // namespace meshauth::cli
