#include "core/engine/answer_cache.h"

#include <random>
#include <vector>

#include "core/engine/testing.h"

using namespace meshauth;
using namespace meshauth::engine;
using namespace meshauth::engine::testing;

namespace {

/// Decides as a worker does.
struct Asker {
  std::mt19937_64 random{7};
  AnswerCache answers{AnswerCache::kMost, [this] { return random(); },
                      [this](const Outcome&, std::uint64_t times) { told += times; }};
  TokenCache tokens{1 << 20, 7};
  std::uint64_t told = 0;
  bool again = false;  ///< the last answer was one given before

  Outcome ask(Snapshot& snapshot, const HttpRequest& request, const Options& options = {}, double now = kNow) {
    auto found = answers.find(snapshot, request, options, now);
    again = static_cast<bool>(found);
    if (again) return *found;
    auto made = std::make_shared<const Outcome>(decide(snapshot, request, now, options, &tokens));
    answers.keep(snapshot, now, made);
    return *made;
  }
  /// Is it one that was given before, after it was asked twice?
  bool comes_again(Snapshot& snapshot, Request request, const Options& options = {}) {
    for (int i = 0; i < 3; ++i) ask(snapshot, request.view(), options);
    return again;
  }
};

model::Rule by_header(model::Rule rule, const std::string& name, const std::string& value) {
  model::HeaderCondition condition;
  condition.name = name;
  condition.values = {value};
  rule.when.emplace_back(condition);
  return rule;
}

bool same(const Outcome& a, const Outcome& b) {
  const auto token_of = [](const Outcome& out) { return out.caller ? out.caller->token : std::string(); };
  return a.allow == b.allow && a.reason == b.reason && a.policy == b.policy && a.rule == b.rule && a.host == b.host &&
         a.strip_token == b.strip_token && a.presented_at == b.presented_at && a.identity == b.identity &&
         a.audit.has_value() == b.audit.has_value() && a.preflight == b.preflight && token_of(a) == token_of(b);
}

}  // namespace

TEST_CASE("a request that was allowed twice is answered again") {
  const auto snapshot = usual().snapshot();
  Asker asker;
  Request request = Request("/orders/1").bearer(token());
  const Outcome first = asker.ask(*snapshot, request.view());
  CHECK(asker.answers.size() == 0);  // most come once
  asker.ask(*snapshot, request.view());
  CHECK_FALSE(asker.again);
  const Outcome third = asker.ask(*snapshot, request.view());
  CHECK(asker.again);
  CHECK(third.allow);
  CHECK(same(first, third));
  CHECK(third.principal()->subject == "alice");
}

TEST_CASE("an answer is for the same request alone") {
  Mesh mesh = usual();
  mesh.policy.policies[0].rules.push_back(by_header(rule("never", {from()}), "x-tenant", "a"));
  const auto snapshot = mesh.snapshot();
  Asker asker;
  const std::string t = token();
  const auto usual_one = [&] { return Request("/orders/1").bearer(t); };
  REQUIRE(asker.comes_again(*snapshot, usual_one()));
  const auto differs = [&](Request request) {
    asker.ask(*snapshot, request.view());
    return !asker.again;
  };
  CHECK(differs(Request("/orders/2").bearer(t)));
  CHECK(differs(Request("/orders/1?").bearer(t)));
  CHECK(differs(Request("/Orders/1").bearer(t)));
  CHECK(differs(Request("/orders/1", "POST").bearer(t)));
  CHECK(differs(Request("/orders/1", "GET ").bearer(t)));
  CHECK(differs(Request("/orders/1")));
  CHECK(differs(Request("/orders/1").bearer(token(R"("jti":"2")"))));
  CHECK(differs(Request("/orders/1").bearer(t + "A")));
  CHECK(differs(Request("/orders/1").header("authorization", "bearer " + t)));
  CHECK(differs(usual_one().bearer(t)));
  CHECK(differs(usual_one().header("host", "orders.test")));
  CHECK(differs(usual_one().header("x-tenant", "a")));
  CHECK(differs(usual_one().header("x-big", std::string(kMaxHeaderValueBytes, 'x'))));
  CHECK(differs(Request("/orders/1").no_host().header("host", "orders.tesT").bearer(t)));
  CHECK(differs(Request("/orders/1").no_host().header("x-tenant", "orders.test").bearer(t)));
  Request kept = usual_one();
  HttpRequest other_port = kept.view();
  other_port.port = 8081;
  asker.ask(*snapshot, other_port);
  CHECK_FALSE(asker.again);
  HttpRequest other_peer = kept.view();
  other_peer.peer.bytes[15] = 1;
  asker.ask(*snapshot, other_peer);
  CHECK_FALSE(asker.again);
  for (int bit = 0; bit < 4; ++bit) {
    Options options;
    if (bit == 0) options.path_allow.encoded_slash = true;
    if (bit == 1) options.path_allow.semicolon = true;
    if (bit == 2) options.path_allow.double_slash = true;
    if (bit == 3) options.preflight = Preflight::Pass;
    asker.ask(*snapshot, kept.view(), options);
    CHECK_FALSE(asker.again);
  }
  // What no decision goes by makes no difference.
  asker.ask(*snapshot, usual_one().header("traceparent", "00-1").header("cookie", "a=b").view());
  CHECK(asker.again);
}

TEST_CASE("every byte of what decides makes it another request") {
  Mesh mesh;
  ProviderSettings with_cookie = provider();
  with_cookie.token_sources.push_back({"", "", "session"});
  mesh.add(with_cookie).add("ns/p", {rule("all", {from()})});
  const auto snapshot = mesh.snapshot();
  Asker asker;
  const std::string t = token(), path = "/orders/of/the/first/quarter/and/the/next",
                    host = "the.orders.of.the.mesh.test";
  const std::string more = "; theme=dark; language=en; consent=all; last=1";
  const auto request = [&](const std::string& target, const std::string& name, const std::string& scheme,
                           const std::string& credentials) {
    return Request(target).no_host().header("host", name).header("authorization", scheme + " " + credentials);
  };
  const auto changed = [](std::string text, std::size_t at) {
    text[at] = static_cast<char>(text[at] ^ 0x20);
    return text;
  };
  const auto comes_again = [&](Request asked) {
    asker.ask(*snapshot, asked.view());
    return asker.again;
  };
  REQUIRE(asker.comes_again(*snapshot, request(path, host, "Bearer", t)));
  CHECK(comes_again(request(path, host, "Bearer", t)));
  for (std::size_t at = 1; at < path.size(); ++at)
    CHECK_FALSE(comes_again(request(changed(path, at), host, "Bearer", t)));
  for (std::size_t at = 0; at < host.size(); ++at)
    CHECK_FALSE(comes_again(request(path, changed(host, at), "Bearer", t)));
  CHECK_FALSE(comes_again(request(path, host, "bearer", t)));
  for (std::size_t at = 0; at < t.size(); ++at) CHECK_FALSE(comes_again(request(path, host, "Bearer", changed(t, at))));

  const auto cookie = [&](const std::string& rest) { return Request().header("cookie", "session=" + t + rest); };
  REQUIRE(asker.comes_again(*snapshot, cookie(more)));
  CHECK(comes_again(cookie(more)));
  CHECK_FALSE(comes_again(cookie(changed(more, 3))));

  // The same bytes, with a border between two texts elsewhere.
  REQUIRE(asker.comes_again(*snapshot, Request("/" + host, "GET").bearer(t)));
  CHECK_FALSE(comes_again(Request(host, "GET/").bearer(t)));
  REQUIRE(asker.comes_again(*snapshot, Request("/aaaa", "AAAA").bearer(t)));
  CHECK_FALSE(comes_again(Request("/aaaa", "AAAAA").bearer(t)));
  CHECK_FALSE(comes_again(Request("/aaaaa", "AAAA").bearer(t)));
}

TEST_CASE("a header of ours is no part of what comes again: it must be taken out") {
  Mesh mesh;
  ProviderSettings forwards = provider();
  forwards.forward_claims = {{{"sub"}, "X-User"}};
  mesh.add(forwards).add("ns/p", {rule("all", {from()})});
  const auto snapshot = mesh.snapshot();
  Asker asker;
  CHECK(asker.comes_again(*snapshot, Request().bearer(token())));
  CHECK_FALSE(asker.comes_again(*snapshot, Request().bearer(token()).header("x-user", "eve")));
  CHECK_FALSE(asker.comes_again(*snapshot, Request().bearer(token()).header("x_user", "eve")));
}

TEST_CASE("refusals, callers without a token, and what the audit would have said are not kept") {
  Mesh mesh;
  mesh.add(provider()).add("ns/p", {rule("read", {from()}, {"/orders/**"}), rule("public", {anyone()}, {"/public"})});
  Mesh audited = mesh;
  audited.add("ns/audit", {rule("no", {anyone()}, {"/orders/9"}, model::Action::Deny)}, model::Mode::Audit);
  Mesh apart = mesh;
  apart.add(provider("ns/other", "https://other"))
      .add("ns/audit", {rule("x", {from("other")}, {"/x"})}, model::Mode::Audit);
  Asker asker;
  const auto plain = mesh.snapshot(), with_audit = audited.snapshot(), with_view = apart.snapshot();
  CHECK_FALSE(asker.comes_again(*plain, Request("/other").bearer(token())));
  CHECK_FALSE(asker.comes_again(*plain, Request("/public")));
  CHECK_FALSE(asker.comes_again(*plain, Request("/orders/1").bearer("a.b.c")));
  CHECK(asker.comes_again(*with_audit, Request("/orders/1").bearer(token())));
  CHECK_FALSE(asker.comes_again(*with_audit, Request("/orders/9").bearer(token())));
  CHECK_FALSE(asker.comes_again(*with_view, Request("/orders/1").bearer(token())));
}

TEST_CASE("an answer ends with the token, with the keys' age, and with the snapshot") {
  Mesh mesh;
  ProviderSettings ages = provider();
  ages.max_stale = Seconds(100);
  mesh.add(ages).add("ns/p", {rule("all", {from()})});
  const auto snapshot = mesh.snapshot(), same_again = mesh.snapshot();
  Asker asker;
  Request request = Request().bearer(token());
  REQUIRE(asker.comes_again(*snapshot, request));
  asker.ask(*same_again, request.view());
  CHECK_FALSE(asker.again);
  REQUIRE(asker.comes_again(*snapshot, request));
  asker.ask(*snapshot, request.view(), {}, kNow + 599.9);
  CHECK(asker.again);
  CHECK_FALSE(asker.ask(*snapshot, request.view(), {}, kNow + 600).allow);

  snapshot->set_fresh({{{"keys", static_cast<std::int64_t>(kNow)}}});
  asker.ask(*snapshot, request.view());
  CHECK_FALSE(asker.again);
  REQUIRE(asker.comes_again(*snapshot, request));
  asker.ask(*snapshot, request.view(), {}, kNow + 99.9);
  CHECK(asker.again);
  CHECK(asker.ask(*snapshot, request.view(), {}, kNow + 100).reason == Reason::keys_stale);
}

TEST_CASE("what is kept is bounded, counted, and freed when nobody can get it any more") {
  const auto snapshot = usual().snapshot();
  Asker asker;
  CHECK_FALSE(asker.comes_again(*snapshot, Request("/" + std::string(AnswerCache::kMostBytes, 'x')).bearer(token())));
  CHECK_FALSE(asker.comes_again(*snapshot, Request().bearer(token(R"("x":")" + std::string(3000, 'x') + "\""))));
  std::uint64_t given = 0;
  for (std::size_t i = 0; i < 8 * AnswerCache::kMost; ++i) {
    Request request = Request("/" + std::to_string(i)).bearer(token());
    for (int n = 0; n < 4; ++n) {
      asker.ask(*snapshot, request.view());
      given += asker.again ? 1 : 0;
    }
  }
  CHECK(asker.answers.size() <= AnswerCache::kMost);
  CHECK(asker.answers.size() >= AnswerCache::kMost / 2);
  CHECK(given >= 8 * AnswerCache::kMost);
  asker.answers.settle(snapshot->version(), kNow);
  CHECK(asker.told == given);
  CHECK(asker.answers.size() != 0);
  asker.answers.settle(snapshot->version(), kNow + 600);
  CHECK(asker.answers.size() == 0);
  REQUIRE(asker.comes_again(*snapshot, Request().bearer(token())));
  asker.answers.settle(snapshot->version() + 1, kNow);
  CHECK(asker.answers.size() == 0);
  CHECK(asker.told == given + 1);
}

TEST_CASE("requests that are asked in turn all come again") {
  const auto snapshot = usual().snapshot();
  Asker asker;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) {
      Request request = Request("/" + std::to_string(i)).bearer(token());
      asker.ask(*snapshot, request.view());
      CHECK(asker.again == (round == 2));
    }
  }
}

TEST_CASE("an answer that a request holds stays what it is, whatever becomes of the cache") {
  const auto snapshot = usual().snapshot();
  std::vector<AnswerCache::Ref> held;
  const auto held_are_right = [&] {
    for (std::size_t i = 0; i < held.size(); ++i)
      if (held[i]->caller->token_id != std::to_string(i)) FAIL("another answer at ", i);
  };
  {
    Asker asker;
    const auto ask = [&](std::size_t i) {
      Request request = Request("/x").bearer(token(R"("jti":")" + std::to_string(i) + "\""));
      asker.ask(*snapshot, request.view());
      asker.ask(*snapshot, request.view());
      return asker.answers.find(*snapshot, request.view(), {}, kNow);
    };
    for (std::size_t i = 0; i < AnswerCache::kMost / 4; ++i) held.push_back(ask(i));
    for (const auto& each : held) REQUIRE(each);
    for (std::size_t i = held.size(); i < 4 * AnswerCache::kMost; ++i) ask(i);
    held_are_right();  // and none of them had to give way
    CHECK(asker.answers.size() > AnswerCache::kMost / 2);
    asker.answers.settle(0, kNow);
    CHECK(asker.answers.size() == 0);
    held_are_right();
    const std::size_t before = held.size();
    for (std::size_t i = before; i < 4 * AnswerCache::kMost; ++i) ask(i);  // where the held ones were there is no room
    held_are_right();
    CHECK(asker.answers.size() <= AnswerCache::kMost - before);
    AnswerCache::Ref moved = std::move(held.back());
    held.back() = std::move(moved);
  }
  held_are_right();
}

TEST_CASE("as many requests hold one answer as can be counted") {
  const auto snapshot = usual().snapshot();
  Asker asker;
  Request request = Request().bearer(token());
  REQUIRE(asker.comes_again(*snapshot, request));
  std::vector<AnswerCache::Ref> held;
  constexpr std::size_t kMany = 0xffff;
  for (std::size_t i = 0; i < kMany; ++i) {
    held.push_back(asker.answers.find(*snapshot, request.view(), {}, kNow));
    if (!held.back()) FAIL("not given again the ", i, "th time");
  }
  CHECK_FALSE(asker.answers.find(*snapshot, request.view(), {}, kNow));
  CHECK(held.front()->caller);
  held.pop_back();
  CHECK(asker.answers.find(*snapshot, request.view(), {}, kNow));
}

namespace {

/// Meshes with all that a decision goes by: places of tokens, hosts, methods, ports, headers, addresses, audit.
std::vector<Mesh> varied_meshes() {
  ProviderSettings first = provider();
  first.token_sources = {{"authorization", "bearer", ""}, {"x-token", "", ""}, {"", "", "session"}};
  first.max_stale = Seconds(300);
  first.forward_claims = {{{"sub"}, "x-user"}};
  ProviderSettings second = provider("ns/second", "https://second");
  model::Rule narrow = by_header(rule("narrow", {from()}, {"/a/**"}), "x-tenant", "a");
  narrow.to[0].methods = {"GET"};
  narrow.to[0].ports = {8080};
  model::Rule host = rule("host", {from("second"), from()}, {"/b"});
  host.to[0].hosts = {"orders.test"};
  model::SourceIpCondition near;
  near.blocks = {*Cidr::parse("10.0.0.0/8")};
  model::Rule far = rule("far", {from()}, {"/c"});
  far.when.emplace_back(near);
  std::vector<Mesh> out(3);
  for (Mesh& mesh : out) mesh.add(first).add(second).add("ns/p", {narrow, host, far});
  out[1].add("ns/audit", {rule("no", {anyone()}, {"/b"}, model::Action::Deny)}, model::Mode::Audit);
  out[2].policy.policies[0].rules.pop_back();
  return out;
}

}  // namespace

TEST_CASE("whether it is given again or made, the answer to a random request is the same") {
  std::mt19937_64 random(20261130);
  const auto one_of = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::vector<std::unique_ptr<Snapshot>> snapshots;
  for (const Mesh& mesh : varied_meshes()) snapshots.push_back(mesh.snapshot());
  const std::vector<std::string> tokens = {token(), token(R"("jti":"2")"), token("", "https://second"), "a.b.c"};
  const std::vector<std::pair<std::string, std::string>> extra = {
      {"x-tenant", "a"},
      {"x-tenant", "b"},
      {"host", "orders.test"},
      {"x-user", "eve"},
      {"accept", "*/*"},
      {"cookie", "a=b"},
      {"x_user", "eve"},
      {"accept", "text/html"},
      {"origin", "o"},
      {"x-token", tokens[0]},
      {"cookie", "session=" + tokens[0]},
      {"x-token", tokens[1]},
  };
  const std::vector<std::string> paths = {"/a/1", "/a/2", "/b", "/c", "/b?x", "/a/%2e", "/a//1"};
  Asker asker;
  double now = kNow;
  std::size_t again = 0, allowed = 0;
  for (int i = 0; i < 200'000; ++i) {
    Snapshot& snapshot = *snapshots[i / 500 % 2 == 0 ? 0 : one_of(3)];
    if (one_of(200) == 0) now += static_cast<double>(one_of(4));
    if (one_of(3000) == 0) snapshot.set_fresh({{{"keys", static_cast<std::int64_t>(now) - 290}}});
    if (now > kNow + 700) now = kNow;
    Request request(paths[one_of(paths.size())], one_of(5) == 0 ? "POST" : "GET");
    if (one_of(6) == 0) request.no_host().header("host", "other.test");
    if (one_of(8) != 0) request.bearer(tokens[one_of(4)]);
    while (one_of(3) == 0) {
      const auto& [name, value] = extra[one_of(extra.size())];
      request.header(name, value);
    }
    HttpRequest view = request.view();
    if (one_of(8) == 0) view.port = 9090;
    view.peer = *IpAddress::parse(one_of(4) == 0 ? "10.0.0.7" : "192.0.2.1");
    Options options;
    options.path_allow.double_slash = one_of(10) == 0;
    const Outcome given = asker.ask(snapshot, view, options, now);
    again += asker.again ? 1 : 0;
    allowed += given.allow ? 1 : 0;
    if (!same(given, decide(snapshot, view, now, options, nullptr))) FAIL("differs: ", view.target, " at ", now);
  }
  CHECK(again > 4'000);
  CHECK(allowed > 12'000);
}
