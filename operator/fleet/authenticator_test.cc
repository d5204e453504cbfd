#include "operator/fleet/authenticator.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "core/base/base64.h"

namespace meshauth::fleet {
namespace {

bool refused(Authenticator& authenticator, std::string_view token, std::string_view instance) {
  const auto answer = authenticator.authenticate(token, instance);
  return answer && !*answer;
}

class TokenFile {
 public:
  explicit TokenFile(const std::string& text) : path_("/tmp/mesh-auth-token-" + std::to_string(getpid())) {
    write(text);
  }
  ~TokenFile() { unlink(path_.c_str()); }
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST_CASE("standalone: the file's secret and no other, read again when it was replaced") {
  const TokenFile file("a-secret-of-sixteen-bytes\n");
  FileAuthenticator authenticator(file.path());
  const auto caller = authenticator.authenticate("a-secret-of-sixteen-bytes", "one");
  REQUIRE(caller);
  REQUIRE(*caller);
  CHECK((*caller)->pod == "standalone/one");
  CHECK(refused(authenticator, "a-secret-of-sixteen-byteS", "one"));
  CHECK(refused(authenticator, "", "one"));
  CHECK((*authenticator.authenticate("a-secret-of-sixteen-bytes", "../x"))->pod == "standalone/agent");
  file.write("another-secret-of-some-bytes");
  CHECK(refused(authenticator, "a-secret-of-sixteen-bytes", "one"));
}

TEST_CASE("standalone: a file that is missing or too short lets nobody in") {
  CHECK(!FileAuthenticator("/nowhere/token").authenticate("x", ""));
  const TokenFile file("short\n");
  const auto answer = FileAuthenticator(file.path()).authenticate("short", "");
  REQUIRE(!answer);
  CHECK(answer.error().message.ends_with("must hold a secret of at least 16 bytes"));
}

std::string token_with(const std::string& payload) {
  return base64url_encode(R"({"alg":"RS256"})") + "." + base64url_encode(payload) + ".c2ln";
}

TEST_CASE("Kubernetes: the pod is the token's, its workload is the store's") {
  std::optional<ReviewedToken> review = ReviewedToken{"system:serviceaccount:shop:default", "orders-1", "uid-1"};
  std::optional<KnownPod> pod = KnownPod{"uid-1", "orders"};
  std::string asked;
  KubernetesAuthenticator authenticator([&](std::string_view) { return review; },
                                        [&](std::string_view name) {
                                          asked = name;
                                          return pod;
                                        });
  const auto caller = authenticator.authenticate(token_with(R"({"exp":4000000000})"), "ignored");
  REQUIRE(caller);
  REQUIRE(*caller);
  CHECK((*caller)->pod == "shop/orders-1");
  CHECK((*caller)->expiry == std::chrono::system_clock::time_point(std::chrono::seconds(4'000'000'000)));
  CHECK(authenticator.pod_in_workload(**caller, "shop/orders"));
  CHECK(asked == "shop/orders-1");

  SUBCASE("another workload") {
    CHECK(!authenticator.pod_in_workload(**caller, "shop/other"));
  }
  SUBCASE("another namespace") {
    CHECK(!authenticator.pod_in_workload(**caller, "bank/orders"));
  }
  SUBCASE("a new pod of that name") {
    pod->uid = "uid-2";
    CHECK(!authenticator.pod_in_workload(**caller, "shop/orders"));
  }
  SUBCASE("a pod without the label") {
    pod->workload = "";
    CHECK(!authenticator.pod_in_workload(**caller, "shop/"));
  }
  SUBCASE("no such pod") {
    pod.reset();
    CHECK(!authenticator.pod_in_workload(**caller, "shop/orders"));
  }
}

TEST_CASE("a namespace that is not watched is named to whoever is turned away") {
  const auto review = [](std::string_view) { return std::optional(ReviewedToken{}); };
  const auto find = [](std::string_view) { return std::optional<KnownPod>(); };
  const Caller caller{"shop/orders-1", "uid-1", {}};
  const std::string unknown = "pod shop/orders-1 is not known as a pod of workload shop/orders";
  CHECK(KubernetesAuthenticator(review, find).why_refused(caller, "shop/orders") == unknown);
  const KubernetesAuthenticator some(review, find, [](const std::string& ns) { return ns == "shop"; });
  CHECK(some.why_refused(caller, "shop/orders") == unknown);
  CHECK(some.why_refused(caller, "bank/orders").starts_with("namespace bank is not watched by this operator"));
}

TEST_CASE("Kubernetes: a token that is bound to no pod is known, and of no workload") {
  for (const auto& review : {ReviewedToken{"system:serviceaccount:shop:default", "", ""},
                             ReviewedToken{"system:serviceaccount:shop:default", "orders-1", ""},
                             ReviewedToken{"admin", "orders-1", "uid-1"}}) {
    KubernetesAuthenticator authenticator([&](std::string_view) { return std::optional(review); },
                                          [](std::string_view) {
                                            return KnownPod{"uid-1", "orders"};
                                          });
    const auto caller = authenticator.authenticate("token", "");
    REQUIRE(caller);
    REQUIRE(*caller);
    CHECK(!authenticator.pod_in_workload(**caller, "shop/orders"));
  }
}

}  // namespace
}  // namespace meshauth::fleet
