#include "operator/fleet/pki.h"

#include <doctest/doctest.h>

#include "operator/asio/tls.h"

namespace meshauth::fleet {
namespace {

using namespace std::chrono_literals;
const auto kNow = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());

TEST_CASE("an authority issues certificates that TLS takes") {
  const auto authority = make_authority("mesh-auth", kNow, 24h);
  REQUIRE(authority);
  CHECK(valid_until(authority->certificate_pem) == kNow + 24h);
  CHECK(issued_at(authority->certificate_pem) == kNow);
  CHECK(!issued_at("junk"));
  const auto server = issue_server_certificate(*authority, {"fleet.mesh-auth.svc", "127.0.0.1", "::1"}, kNow, 1h);
  REQUIRE(server);
  CHECK(valid_until(server->certificate_pem) == kNow + 1h);
  CHECK(validity_of(server->certificate_pem).value().from == kNow - 1h);
  CHECK(net::server_context(server->certificate_pem, server->key_pem).has_value());
  CHECK(net::client_context({authority->certificate_pem}).has_value());
}

TEST_CASE("what does not belong together is refused and no key is in the message") {
  const auto one = make_authority("one", kNow, 24h);
  const auto other = make_authority("other", kNow, 24h);
  REQUIRE(one);
  REQUIRE(other);
  const auto mixed = issue_server_certificate({one->certificate_pem, other->key_pem}, {"a"}, kNow, 1h);
  REQUIRE(!mixed);
  CHECK(mixed.error().message == "the certificate authority is not a PEM certificate with its own private key");
  CHECK(!net::server_context(one->certificate_pem, other->key_pem));
  CHECK(!net::server_context("junk", one->key_pem));
  CHECK(!net::client_context({}));
  CHECK(!net::client_context({"junk"}));
}

TEST_CASE("a name cannot smuggle in another") {
  const auto authority = make_authority("mesh-auth", kNow, 24h);
  REQUIRE(authority);
  for (const auto* name : {"", "a,DNS:evil", "a b", "a\nb", "*.x"}) {
    CAPTURE(name);
    CHECK(!issue_server_certificate(*authority, {name}, kNow, 1h));
  }
  CHECK(!issue_server_certificate(*authority, {}, kNow, 1h));
}

}  // namespace
}  // namespace meshauth::fleet
