#include "operator/idp/schedule.h"

#include <doctest/doctest.h>

using namespace meshauth;
using namespace meshauth::idp;
using std::chrono::milliseconds;
using Time = Schedule::Time;

namespace {

constexpr Time kStart = Time(std::chrono::hours(1));

SourceSpec schedule_spec(const std::string& url = "https://idp.example/keys") {
  SourceSpec spec;
  spec.url = url;
  spec.refresh_interval = Seconds(300);
  spec.min_refetch_interval = Seconds(30);
  return spec;
}

std::shared_ptr<const jose::KeySet> some_keys() {
  auto set = std::make_shared<jose::KeySet>();
  set->keys.emplace_back();
  return set;
}

Visit good(std::optional<Seconds> max_age = std::nullopt) {
  Visit visit;
  visit.memory.keys = some_keys();
  visit.outcome = Fetched{visit.memory.keys, "", "", "", false};
  visit.max_age = max_age;
  return visit;
}

Visit bad() {
  Visit visit;
  visit.outcome = tl::unexpected(SourceFailure{SourceFault::Timeout, "late", false});
  return visit;
}

/// A schedule without jitter (random 0.5 is the middle), and its hands.
struct Clockwork {
  double random = 0.5;
  Schedule schedule{[this] { return random; }};
  Time now = kStart;

  /// Takes what is due, visits at once. The next moment, counted from now.
  Seconds visit(const Visit& outcome) {
    const auto job = schedule.take(now);
    REQUIRE(job);
    const auto settled = schedule.settle(*job, outcome, now);
    REQUIRE(settled);
    schedule.land(*job, now);
    return std::chrono::duration_cast<Seconds>(settled->next - now);
  }
  void skip(Seconds seconds) { now += seconds; }
};

}  // namespace

TEST_CASE("a new source is due at once, then at its refresh interval") {
  Clockwork c;
  CHECK_FALSE(c.schedule.next_due());
  c.schedule.update("a", schedule_spec(), c.now);
  CHECK(c.schedule.next_due() == c.now);
  CHECK(c.visit(good()) == Seconds(300));
  CHECK_FALSE(c.schedule.take(c.now + Seconds(299)));
  CHECK(c.schedule.next_due() == c.now + Seconds(300));
  c.skip(Seconds(300));
  CHECK(c.visit(good()) == Seconds(300));
}

TEST_CASE("max-age counts within the bounds") {
  struct Case {
    int max_age, want;
  };
  for (const Case& c : {Case{0, 30}, Case{29, 30}, Case{60, 60}, Case{300, 300}, Case{86400, 300}}) {
    CAPTURE(c.max_age);
    Clockwork clock;
    clock.schedule.update("a", schedule_spec(), clock.now);
    CHECK(clock.visit(good(Seconds(c.max_age))) == Seconds(c.want));
  }
}

TEST_CASE("jitter stays within a tenth, and never goes below the shortest interval") {
  struct Case {
    double random;
    int max_age, want_ms;
  };
  for (const Case& c : {Case{0.0, 300, 270'000}, Case{0.5, 300, 300'000}, Case{1.0, 300, 330'000}, Case{0.0, 0, 30'000},
                        Case{1.0, 0, 33'000}}) {
    CAPTURE(c.random);
    CAPTURE(c.max_age);
    Clockwork clock;
    clock.random = c.random;
    clock.schedule.update("a", schedule_spec(), clock.now);
    const auto job = clock.schedule.take(clock.now);
    REQUIRE(job);
    const auto settled = clock.schedule.settle(*job, good(Seconds(c.max_age)), clock.now);
    REQUIRE(settled);
    CHECK(std::chrono::duration_cast<milliseconds>(settled->next - clock.now) == milliseconds(c.want_ms));
  }
}

TEST_CASE("failures back off from one second, doubling, up to the refresh interval, and one success ends it") {
  Clockwork c;
  c.schedule.update("a", schedule_spec(), c.now);
  for (const int want : {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}) {
    CAPTURE(want);
    const Seconds next = c.visit(bad());
    CHECK(next == Seconds(want));
    c.skip(next);
  }
  CHECK(c.visit(good()) == Seconds(300));
  c.skip(Seconds(300));
  CHECK(c.visit(bad()) == Seconds(1));
}

TEST_CASE("hundreds of failures in a row overflow nothing") {
  Clockwork c;
  SourceSpec spec = schedule_spec();
  spec.refresh_interval = Seconds(31'536'000);
  c.schedule.update("a", spec, c.now);
  Seconds next{0};
  for (int i = 0; i < 300; ++i) {
    next = c.visit(bad());
    REQUIRE(next >= Seconds(1));
    c.skip(next);
  }
  CHECK(next == Seconds(31'536'000));
}

TEST_CASE("a refetch waits for min_refetch_interval since the visit before, however many ask") {
  Clockwork c;
  c.schedule.update("a", schedule_spec(), c.now);
  c.visit(good());
  c.skip(Seconds(5));
  for (int i = 0; i < 1000; ++i) c.schedule.refetch("a", c.now);
  CHECK(c.schedule.next_due() == kStart + Seconds(30));
  c.skip(Seconds(25));
  CHECK(c.visit(good()) == Seconds(300));
  c.skip(Seconds(100));
  c.schedule.refetch("a", c.now);
  CHECK(c.schedule.next_due() == c.now);
}

TEST_CASE("a refetch never delays what is due sooner") {
  Clockwork c;
  c.schedule.update("a", schedule_spec(), c.now);
  c.visit(bad());
  c.schedule.refetch("a", c.now);
  CHECK(c.schedule.next_due() == kStart + Seconds(1));
}

TEST_CASE("one source is visited by one visit at a time; a refetch meanwhile is followed up once") {
  Clockwork c;
  c.schedule.update("a", schedule_spec(), c.now);
  const auto job = c.schedule.take(c.now);
  REQUIRE(job);
  c.schedule.refetch("a", c.now);
  c.schedule.refetch("a", c.now);
  CHECK_FALSE(c.schedule.take(c.now + Seconds(1000)));
  CHECK_FALSE(c.schedule.next_due());
  c.skip(Seconds(2));
  CHECK(c.schedule.settle(*job, good(), c.now));
  CHECK_FALSE(c.schedule.take(c.now + Seconds(1000)));  // its result is still being told
  c.schedule.land(*job, c.now);
  CHECK(c.schedule.next_due() == kStart + Seconds(30));
  c.now = kStart + Seconds(30);
  CHECK(c.visit(good()) == Seconds(300));
}

TEST_CASE("a refetch that comes while a result is being told is not lost") {
  Clockwork c;
  c.schedule.update("a", schedule_spec(), c.now);
  const auto job = c.schedule.take(c.now);
  REQUIRE(job);
  CHECK(c.schedule.settle(*job, good(), c.now));
  c.schedule.refetch("a", c.now);
  c.schedule.land(*job, c.now);
  CHECK(c.schedule.next_due() == kStart + Seconds(30));
}

TEST_CASE("at most eight sources are visited at once, the one due longest first") {
  Clockwork c;
  for (int i = 0; i < 12; ++i) c.schedule.update("s" + std::to_string(i), schedule_spec(), c.now + Seconds(12 - i));
  c.skip(Seconds(20));
  std::vector<Schedule::Job> jobs;
  while (auto job = c.schedule.take(c.now)) jobs.push_back(*job);
  REQUIRE(jobs.size() == 8);
  CHECK(jobs.front().id == "s11");
  CHECK(jobs.back().id == "s4");
  CHECK_FALSE(c.schedule.next_due());
  CHECK(c.schedule.settle(jobs.front(), good(), c.now));
  c.schedule.land(jobs.front(), c.now);
  const auto next = c.schedule.take(c.now);
  REQUIRE(next);
  CHECK(next->id == "s3");
}

TEST_CASE("an equal spec changes nothing, a changed one is visited soon and keeps the keys of the same place") {
  Clockwork c;
  c.schedule.update("a", schedule_spec(), c.now);
  c.visit(good());
  c.skip(Seconds(10));
  c.schedule.update("a", schedule_spec(), c.now);
  CHECK(c.schedule.next_due() == kStart + Seconds(300));
  SourceSpec changed = schedule_spec();
  changed.issuers = {"https://idp.example"};
  c.schedule.update("a", changed, c.now);
  CHECK(c.schedule.next_due() == c.now);
  const auto job = c.schedule.take(c.now);
  REQUIRE(job);
  CHECK(job->memory.keys != nullptr);
  c.schedule.update("a", schedule_spec("https://idp.example/other"), c.now);
  CHECK_FALSE(c.schedule.settle(*job, good(), c.now));  // of a spec that is gone
  c.schedule.land(*job, c.now);
  CHECK(c.schedule.next_due() == c.now + Seconds(1));
  const auto moved = c.schedule.take(c.now + Seconds(1));
  REQUIRE(moved);
  CHECK(moved->memory.keys == nullptr);
}

TEST_CASE("a removed source is forgotten, also by a visit under way") {
  Clockwork c;
  c.schedule.update("a", schedule_spec(), c.now);
  const auto job = c.schedule.take(c.now);
  REQUIRE(job);
  c.schedule.remove("a");
  c.schedule.refetch("a", c.now);
  CHECK_FALSE(c.schedule.settle(*job, good(), c.now));
  c.schedule.update("a", schedule_spec(), c.now);
  CHECK_FALSE(c.schedule.take(c.now));  // the old visit has not ended
  c.schedule.land(*job, c.now);
  const auto fresh = c.schedule.take(c.now);
  REQUIRE(fresh);
  CHECK(fresh->memory.keys == nullptr);
  CHECK(c.schedule.settle(*fresh, good(), c.now));
}

TEST_CASE("a source goes on with what was recorded before a restart, and asks at once") {
  Clockwork c;
  Restored restored;
  restored.keys = *some_keys();
  restored.jwks_uri = "https://idp.example/keys";
  restored.etag = "\"v7\"";
  c.schedule.update("a", schedule_spec(), c.now, &restored);
  const auto job = c.schedule.take(c.now);
  REQUIRE(job);
  REQUIRE(job->memory.keys != nullptr);
  CHECK(job->memory.etag == "\"v7\"");
  CHECK(job->memory.jwks_uri == "https://idp.example/keys");
}
