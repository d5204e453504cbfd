#include "sidecar/agent/stream.h"

#include <doctest/doctest.h>

#include <future>
#include <thread>

#include "sidecar/agent/poster.h"
#include "sidecar/agent/testing/fleet.h"

namespace meshauth::agent {
namespace {

using namespace std::chrono_literals;
using testing::Fleet;
using testing::Heard;

bundle::Files files(const std::string& policy) {
  return {{"auth.conf", "# a\n"}, {"jwks.json", "{}"}, {"policy.json", policy}};
}

/// The agent's side of the wire on a thread of its own.
class Side {
 public:
  explicit Side(const Fleet& fleet,
                StreamTimes times = {.silence = 45s, .dial = 5s, .first_pause = 10ms, .longest_pause = 50ms}) {
    options_.workload = "shop/orders";
    options_.operator_url = {"localhost", std::to_string(fleet.port)};
    options_.token_file = fleet.token_file();
    options_.trust_file = fleet.trust_file();
    options_.instance = "one";
    stream_.emplace(
        io_, dialer_, times,
        StreamClient::Handlers{[] { return std::string(); }, [this](const ServerEvent& event) { events.add(event); },
                               [this] {
                                 poster.set_up(true);
                                 states.add("up");
                               },
                               [this] {
                                 poster.set_up(false);
                                 states.add("down: " + stream_->trouble());
                               }});
    stream_->start();
    poster.start();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Side() {
    post([this] {
      stream_->stop();
      poster.stop();
      io_.stop();
    });
    thread_.join();
  }
  template <class Function>
  void post(Function function) {
    net::asio::post(io_, std::move(function));
  }
  std::string trouble() {
    std::promise<std::string> text;
    post([&] { text.set_value(stream_->trouble()); });
    return text.get_future().get();
  }
  bool await_trouble(const std::string& part) {
    const auto until = std::chrono::steady_clock::now() + testing::kPatience;
    while (std::chrono::steady_clock::now() < until) {
      if (trouble().find(part) != std::string::npos) return true;
      std::this_thread::yield();
    }
    return false;
  }
  bool await_revision(const std::string& revision) {
    return events.await([&](const ServerEvent& event) { return event.id == revision; }).has_value();
  }
  bool await_state(const std::string& part) {
    return states.await([&](const std::string& state) { return state.find(part) != std::string::npos; }).has_value();
  }

  Heard<ServerEvent> events;
  Heard<std::string> states;

 private:
  Options options_;
  net::asio::io_context io_;
  Dialer dialer_{options_};

 public:
  Poster poster{io_, dialer_};

 private:
  std::optional<StreamClient> stream_;
  std::thread thread_;
};

TEST_CASE("bundles arrive over TLS, acks and reports go back") {
  Fleet fleet;
  const auto revision = fleet.publish(files("{}"));
  Side side(fleet);
  REQUIRE(side.await_revision(revision));
  const bundle::Ack ack{revision, bundle::Outcome::Applied, "", 3.5, {}};
  side.post([&] { side.poster.ack(ack); });
  CHECK(fleet.await_ack(revision, bundle::Outcome::Applied) == ack);

  side.post([&] {
    engine::WorkerReport report;
    report.event = engine::WorkerEvent::unknown_kid;
    report.source = "src";
    report.kid = "kid-1";
    side.poster.reports().add(report);
    side.poster.wake();
  });
  const auto report = fleet.reports.await([](const bundle::Report& r) { return !r.unknown_kids.empty(); });
  REQUIRE(report);
  CHECK(report->unknown_kids == std::vector<bundle::UnknownKid>{{"src", "kid-1"}});
}

TEST_CASE("reports go at most once a second, and of the kids that came meanwhile the last") {
  Fleet fleet;
  Side side(fleet);
  REQUIRE(side.await_state("up"));
  const auto report_kid = [&](const char* kid) {
    side.post([&side, kid] {
      engine::WorkerReport report;
      report.event = engine::WorkerEvent::unknown_kid;
      report.source = "src";
      report.kid = kid;
      side.poster.reports().add(report);
      side.poster.wake();
    });
  };
  const auto with_kid = [&](const char* kid) {
    return fleet.reports.await([kid](const bundle::Report& r) {
      return r.unknown_kids == std::vector<bundle::UnknownKid>{{"src", kid}};
    });
  };
  const auto begin = std::chrono::steady_clock::now();
  report_kid("kid-1");
  REQUIRE(with_kid("kid-1"));
  report_kid("kid-2");
  report_kid("kid-3");
  REQUIRE(with_kid("kid-3"));
  CHECK(std::chrono::steady_clock::now() - begin >= 1s);
}

TEST_CASE("an operator that goes and comes back is found again, and hears an ack of meanwhile") {
  Fleet fleet;
  Side side(fleet);
  REQUIRE(side.await_state("up"));
  fleet.stop();
  REQUIRE(side.await_state("down"));
  const std::string revision(64, 'a');
  side.post([&] { side.poster.ack({revision, bundle::Outcome::Applied, "", {}, {}}); });
  const auto next = fleet.publish(files("{}"));
  fleet.start();
  CHECK(side.await_revision(next));
  CHECK(fleet.await_ack(revision, bundle::Outcome::Applied));
}

TEST_CASE("a silent operator is dialed again") {
  Fleet fleet;  // pings every 15 s
  Side side(fleet, {.silence = 100ms, .dial = 5s, .first_pause = 10ms, .longest_pause = 50ms});
  CHECK(side.await_state("down: the operator was silent for 100 ms"));
  CHECK(fleet.connects.await_count(3));
}

TEST_CASE("a standby's 503 is no end: the agent dials until it leads") {
  Fleet fleet;
  fleet.server->set_leader(false);
  Side side(fleet);
  CHECK(side.await_trouble("the operator answered 503"));
  const auto revision = fleet.publish(files("{}"));
  fleet.server->set_leader(true);
  CHECK(side.await_revision(revision));
}

TEST_CASE("an operator whose certificate no trusted authority signed gets no token") {
  Fleet fleet;
  const auto stranger =
      fleet::make_authority("other", std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()), 24h);
  fleet.trust_with({stranger->certificate_pem});
  Side side(fleet);
  CHECK(side.await_trouble("TLS with localhost"));
  CHECK(fleet.connects.count() == 0);
  fleet.trust_with({stranger->certificate_pem, fleet.authority.certificate_pem});
  CHECK(side.await_state("up"));
}

TEST_CASE("the token file is read for each dial") {
  Fleet fleet;
  const std::string right = fleet.folder.path() + "/right";
  std::filesystem::rename(fleet.token_file(), right);
  Side side(fleet);
  CHECK(side.await_trouble("--token-file"));
  std::filesystem::rename(right, fleet.token_file());
  CHECK(side.await_state("up"));
}

TEST_CASE("sums of reports are bounded and lose no count that they took") {
  ReportSum sum;
  engine::WorkerReport report;
  report.event = engine::WorkerEvent::counters;
  for (int i = 0; i < 10'000; ++i) {
    report.counters = {{false, "expired", "shop/p", "rule-" + std::to_string(i), "", "", "", 2}};
    sum.add(report);
  }
  std::uint64_t total = 0;
  int reports = 0;
  while (!sum.empty()) {
    const auto part = sum.take();
    CHECK(part.decisions.size() <= bundle::kMaxDecisions);
    for (const auto& decision : part.decisions) total += decision.count;
    ++reports;
  }
  CHECK(total == 20'000);
  CHECK(reports < 20);
}

TEST_CASE("what is trusted is reported once, and the newest where a report was not taken") {
  ReportSum sum;
  const bundle::TrustReport first{{"a"}, {}, "a"}, second{{"a", "b"}, {}, "a"};
  sum.set_trust(first);
  CHECK(!sum.empty());
  const auto report = sum.take();
  CHECK(report.trust == first);
  CHECK(sum.empty());
  sum.give_back(report);
  CHECK(sum.take().trust == first);
  sum.set_trust(second);
  sum.give_back(report);
  CHECK(sum.take().trust == second);
}

TEST_CASE("nonsense about one key source never crowds out another, however much of it waits") {
  ReportSum sum;
  engine::WorkerReport report;
  report.event = engine::WorkerEvent::unknown_kid;
  report.source = "attacked";
  for (int i = 0; i < 1000; ++i) {
    report.kid = fmt::format("kid-{}", i);
    sum.add(report);
  }
  report.source = "quiet";
  report.kid = "new";
  sum.add(report);
  const auto taken = sum.take();
  CHECK(taken.unknown_kids == std::vector<bundle::UnknownKid>{{"attacked", "kid-999"}, {"quiet", "new"}});
  CHECK(sum.empty());
  report.kid = "newer";
  sum.add(report);
  sum.give_back(taken);
  CHECK(sum.take().unknown_kids == std::vector<bundle::UnknownKid>{{"attacked", "kid-999"}, {"quiet", "newer"}});
}

TEST_CASE("a report that was not taken is given back whole") {
  ReportSum sum;
  engine::WorkerReport report;
  report.event = engine::WorkerEvent::unknown_kid;
  report.source = "s";
  report.kid = "k";
  report.counters = {{true, "", "shop/p", "r", "shop/okta", "", "", 5}};
  sum.add(report);
  const auto taken = sum.take();
  CHECK(sum.empty());
  sum.give_back(taken);
  sum.add(report);
  const auto again = sum.take();
  CHECK(again.unknown_kids.size() == 1);
  REQUIRE(again.decisions.size() == 1);
  CHECK(again.decisions[0].count == 10);
}

}  // namespace
}  // namespace meshauth::agent
