#include "operator/idp/key_sources.h"

#include <doctest/doctest.h>

#include <atomic>

#include "core/jose/testing/token_maker.h"
#include "operator/http/certificate.h"
#include "operator/http/testing/tls_test_server.h"

using namespace meshauth;
using namespace meshauth::idp;
using http::FetchError;
using http::FetchFault;
using http::FetchRequest;
using http::FetchResponse;
using http::testing::TlsTestServer;

namespace {

constexpr std::chrono::seconds kPatience{120};

std::string keys_json() {
  static const std::string json = jose::testing::key_set({jose::testing::TestKey::p256().jwk({{"kid", "k1"}})});
  return json;
}

tl::expected<FetchResponse, FetchError> good_answer() {
  FetchResponse response;
  response.status = 200;
  response.body = keys_json();
  return response;
}

SourceSpec spec_of(const std::string& url) {
  SourceSpec spec;
  spec.url = url;
  spec.min_refetch_interval = Seconds(0);
  return spec;
}

/// Collects results; tests wait for them.
struct Results {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::pair<std::string, SourceResult>> all;

  KeySources::OnResult sink() {
    return [this](const std::string& id, const SourceResult& result) {
      const std::lock_guard lock(mutex);
      all.emplace_back(id, result);
      changed.notify_all();
    };
  }
  std::vector<SourceResult> of(const std::string& id) {
    std::vector<SourceResult> found;
    for (const auto& [name, result] : all) {
      if (name == id) found.push_back(result);
    }
    return found;
  }
  /// The n-th result of the source (from 1).
  SourceResult wait(const std::string& id, std::size_t n) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, kPatience, [&] { return of(id).size() >= n; }));
    return of(id).at(n - 1);
  }
};

/// Holds fetches of one URL until it is opened.
struct Gate {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool open = false;
  int waiting = 0;

  bool wait(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    ++waiting;
    changed.notify_all();
    return changed.wait(lock, stop, [&] { return open; });
  }
  void await_waiting(int count) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, kPatience, [&] { return waiting >= count; }));
  }
  void release() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line) != std::string::npos;
}

}  // namespace

TEST_CASE("a source is fetched and its result told, with when the next fetch comes") {
  http::Metrics metrics;
  Results results;
  KeySources::Options options;
  options.fetch = [](const FetchRequest&, const std::stop_token&) { return good_answer(); };
  options.random = [] { return 0.5; };
  KeySources sources(std::move(options), results.sink(), metrics);
  sources.update("a", spec_of("https://a.example/keys"));
  const SourceResult result = results.wait("a", 1);
  REQUIRE(result.outcome);
  CHECK(result.outcome->keys->keys.at(0).kid == "k1");
  CHECK(result.consecutive_failures == 0);
  CHECK(result.last_good == result.time);
  CHECK(result.next_fetch - result.time == Seconds(300));
}

TEST_CASE("a source that hangs delays no other, and removal and shutdown do not wait for it") {
  http::Metrics metrics;
  Results results;
  Gate gate;
  KeySources::Options options;
  options.fetch = [&](const FetchRequest& request,
                      const std::stop_token& stop) -> tl::expected<FetchResponse, FetchError> {
    if (request.url == "https://slow.example/" && !gate.wait(stop))
      return tl::unexpected(FetchError{FetchFault::Cancelled, "stopped"});
    return good_answer();
  };
  {
    KeySources sources(std::move(options), results.sink(), metrics);
    for (int i = 0; i < 7; ++i) sources.update("slow" + std::to_string(i), spec_of("https://slow.example/"));
    gate.await_waiting(7);
    sources.update("fast", spec_of("https://fast.example/"));
    CHECK(results.wait("fast", 1).outcome);
    sources.refetch("fast");
    CHECK(results.wait("fast", 2).outcome);
    sources.remove("slow0");
  }
  for (int i = 0; i < 7; ++i) CHECK(results.of("slow" + std::to_string(i)).empty());
}

TEST_CASE("a refetch asked for by many during one fetch is one more fetch") {
  http::Metrics metrics;
  Results results;
  Gate gate;
  std::atomic<int> fetches = 0;
  std::atomic<int> under_way = 0;
  std::atomic<bool> overlapped = false;
  KeySources::Options options;
  options.fetch = [&](const FetchRequest&, const std::stop_token& stop) {
    if (++under_way > 1) overlapped = true;
    ++fetches;
    gate.wait(stop);
    --under_way;
    return good_answer();
  };
  {
    KeySources sources(std::move(options), results.sink(), metrics);
    sources.update("a", spec_of("https://a.example/"));
    gate.await_waiting(1);
    std::vector<std::jthread> callers;
    for (int t = 0; t < 4; ++t) {
      callers.emplace_back([&] {
        for (int i = 0; i < 100; ++i) sources.refetch("a");
      });
    }
    callers.clear();
    gate.release();
    results.wait("a", 2);
    sources.update("b", spec_of("https://b.example/"));
    results.wait("b", 1);
  }
  CHECK_FALSE(overlapped);
  CHECK(results.of("a").size() == 2);
  CHECK(fetches == 3);
}

TEST_CASE("failures are counted and named, and the last good fetch stays known") {
  http::Metrics metrics;
  Results results;
  std::atomic<bool> down = false;
  KeySources::Options options;
  options.fetch = [&](const FetchRequest&, const std::stop_token&) -> tl::expected<FetchResponse, FetchError> {
    if (down) return tl::unexpected(FetchError{FetchFault::TimedOut, "late"});
    return good_answer();
  };
  KeySources sources(std::move(options), results.sink(), metrics);
  sources.update("a", spec_of("https://a.example/"));
  const auto good = results.wait("a", 1);
  down = true;
  sources.refetch("a");
  const auto first = results.wait("a", 2);
  REQUIRE_FALSE(first.outcome);
  CHECK(first.outcome.error().fault == SourceFault::Timeout);
  CHECK(first.outcome.error().message == "late");
  CHECK(first.consecutive_failures == 1);
  CHECK(first.last_good == good.last_good);
  sources.refetch("a");
  CHECK(results.wait("a", 3).consecutive_failures == 2);
  down = false;
  sources.refetch("a");
  CHECK(results.wait("a", 4).consecutive_failures == 0);
}

TEST_CASE("after a restart with the provider down the last good fetch is still known") {
  http::Metrics metrics;
  Results results;
  KeySources::Options options;
  options.fetch = [&](const FetchRequest& request, const std::stop_token&) -> tl::expected<FetchResponse, FetchError> {
    CHECK(request.if_none_match == "\"v7\"");
    return tl::unexpected(FetchError{FetchFault::ConnectFailed, "down"});
  };
  KeySources sources(std::move(options), results.sink(), metrics);
  Restored restored;
  restored.keys = *jose::parse_key_set(keys_json());
  restored.jwks_uri = "https://a.example/";
  restored.etag = "\"v7\"";
  restored.last_good = std::chrono::floor<Seconds>(std::chrono::system_clock::now()) - Seconds(1000);
  sources.update("a", spec_of("https://a.example/"), restored);
  const auto result = results.wait("a", 1);
  CHECK_FALSE(result.outcome);
  CHECK(result.last_good == restored.last_good);
  const std::string text = metrics.text();
  const auto at = text.find("mesh_auth_jwks_age_seconds{source=\"a\"} ");
  REQUIRE(at != std::string::npos);
  CHECK(std::stod(text.substr(at + 39)) >= 1000);
}

TEST_CASE("a callback may change the sources itself") {
  http::Metrics metrics;
  Results results;
  KeySources* self = nullptr;
  std::mutex self_mutex;
  KeySources::Options options;
  options.fetch = [](const FetchRequest&, const std::stop_token&) { return good_answer(); };
  const auto sink = results.sink();
  std::unique_ptr<KeySources> sources;
  {
    const std::lock_guard lock(self_mutex);
    sources = std::make_unique<KeySources>(
        std::move(options),
        [&](const std::string& id, const SourceResult& result) {
          const std::lock_guard lock(self_mutex);
          if (id == "a") {
            self->update("b", spec_of("https://b.example/"));
            self->remove("a");
          }
          sink(id, result);
        },
        metrics);
    self = sources.get();
  }
  sources->update("a", spec_of("https://a.example/"));
  CHECK(results.wait("b", 1).outcome);
  sources.reset();
}

TEST_CASE("metrics are there before anything was fetched, and count by result") {
  http::Metrics metrics;
  Results results;
  KeySources::Options options;
  std::atomic<int> fetches = 0;
  options.fetch = [&](const FetchRequest&, const std::stop_token&) -> tl::expected<FetchResponse, FetchError> {
    if (++fetches == 1) return tl::unexpected(FetchError{FetchFault::BodyTooLarge, "big"});
    return good_answer();
  };
  KeySources sources(std::move(options), results.sink(), metrics);
  for (const char* result : {"success", "not_modified", "SecretMaterial", "Timeout", "TooLarge"})
    CHECK(has_line(metrics.text(), "mesh_auth_jwks_fetches_total{result=\"" + std::string(result) + "\"} 0"));
  sources.update("a", spec_of("https://a.example/"));
  results.wait("a", 1);
  sources.refetch("a");
  results.wait("a", 2);
  CHECK(has_line(metrics.text(), "mesh_auth_jwks_fetches_total{result=\"TooLarge\"} 1"));
  CHECK(has_line(metrics.text(), "mesh_auth_jwks_fetches_total{result=\"success\"} 1"));
  CHECK(has_line(metrics.text(), "mesh_auth_jwks_age_seconds{source=\"a\"} 0"));
  sources.remove("a");
  CHECK(metrics.text().find("source=\"a\"") == std::string::npos);
}

TEST_CASE("over real TLS: discovery, keys, then unchanged") {
  const auto authority = http::CertificateAuthority::create("test CA");
  std::string base;
  TlsTestServer server(authority.issue({{"127.0.0.1"}}), [&](TlsTestServer::Connection& c) {
    const auto answer = [&](const std::string& body) {
      c.write("HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    };
    if (c.head.find("If-None-Match: \"e\"") != std::string::npos) {
      c.write("HTTP/1.1 304 Not Modified\r\n\r\n");
    } else if (c.head.starts_with("GET /keys ")) {
      answer(keys_json());
    } else {
      answer(R"({"issuer":")" + base + R"(","jwks_uri":")" + base + R"(/keys"})");
    }
  });
  base = server.url("");
  http::Metrics metrics;
  Results results;
  KeySources::Options options;
  options.guard.allow_loopback = true;
  KeySources sources(std::move(options), results.sink(), metrics);
  SourceSpec spec = spec_of(server.url("/.well-known/openid-configuration"));
  spec.kind = SourceKind::Discovery;
  spec.ca_bundle = authority.certificate();
  spec.issuers = {base};
  sources.update("real", spec);
  const auto first = results.wait("real", 1);
  REQUIRE_MESSAGE(first.outcome, first.outcome.error().message);
  CHECK(first.outcome->jwks_uri == base + "/keys");
  CHECK_FALSE(first.outcome->not_modified);
  sources.refetch("real");
  const auto second = results.wait("real", 2);
  REQUIRE(second.outcome);
  CHECK(second.outcome->not_modified);
}
