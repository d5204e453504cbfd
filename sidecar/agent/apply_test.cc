#include "sidecar/agent/apply.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace meshauth::agent {
namespace {

using State = ApplyState;
using Event = ApplyEvent;
using Action = ApplyAction;

constexpr State kStates[] = {State::Idle,     State::Testing, State::Reloading,
                             State::Swapping, State::Behind,  State::RollingBack};
constexpr Event kEvents[] = {Event::Offer,  Event::OfferNewAuthConf, Event::TestPassed, Event::TestFailed,
                             Event::AllRun, Event::Refused,          Event::TimedOut};

bool has(const ApplyStep& step, Action action) {
  return std::ranges::find(step.actions, action) != step.actions.end();
}

std::ptrdiff_t place(const ApplyStep& step, Action action) {
  return std::ranges::find(step.actions, action) - step.actions.begin();
}

bundle::Manifest manifest(const std::string& revision, std::uint64_t term, std::uint64_t sequence) {
  bundle::Manifest out;
  out.revision = revision;
  out.epoch = {term, sequence};
  return out;
}

TEST_CASE("the revision in force is always current, another one only with an epoch that is not smaller") {
  CHECK(order_of("a", {2, 5}, manifest("a", 1, 1)) == Order::Current);
  CHECK(order_of("a", {2, 5}, manifest("b", 2, 6)) == Order::Newer);
  CHECK(order_of("a", {2, 5}, manifest("b", 3, 0)) == Order::Newer);
  CHECK(order_of("a", {2, 5}, manifest("b", 2, 5)) == Order::Newer);  // written down, but never put in place
  CHECK(order_of("a", {2, 5}, manifest("b", 2, 4)) == Order::Stale);
  CHECK(order_of("a", {2, 5}, manifest("b", 1, 9)) == Order::Stale);
  CHECK(order_of("", {0, 0}, manifest("b", 0, 0)) == Order::Newer);
  CHECK(order_of("", {2, 5}, manifest("b", 2, 4)) == Order::Stale);
}

TEST_CASE("no offer is ever lost: each state takes it or keeps it") {
  for (const State state : kStates) {
    for (const Event offer : {Event::Offer, Event::OfferNewAuthConf}) {
      CAPTURE(to_string(state));
      const auto taken = step(state, offer);
      REQUIRE(taken);
      CHECK(has(*taken, Action::Postpone) != has(*taken, Action::Write));
    }
  }
}

TEST_CASE("whoever comes to rest looks for a postponed offer") {
  for (const State state : kStates) {
    for (const Event event : kEvents) {
      const auto taken = step(state, event);
      if (!taken || (taken->next != State::Idle && taken->next != State::Behind)) continue;
      CAPTURE(to_string(state));
      CHECK(taken->actions.back() == Action::TakeNext);
    }
  }
}

TEST_CASE("no state is waited in without a way out") {
  for (const State state : {State::Reloading, State::Swapping, State::RollingBack}) {
    CAPTURE(to_string(state));
    CHECK(step(state, Event::AllRun));
    CHECK(step(state, Event::TimedOut));
  }
  for (const State from : kStates) {
    for (const Event event : kEvents) {
      const auto taken = step(from, event);
      if (!taken || has(*taken, Action::Postpone)) continue;
      const bool waits =
          taken->next == State::Reloading || taken->next == State::Swapping || taken->next == State::RollingBack;
      if (waits) CHECK(has(*taken, Action::StartTimer));
    }
  }
}

TEST_CASE("a new auth.conf reaches nginx only after its test, and before the link and the signal") {
  for (const State from : kStates) {
    for (const Event event : kEvents) {
      const auto taken = step(from, event);
      if (!taken || !has(*taken, Action::Install)) continue;
      CHECK(from == State::Testing);
      CHECK(event == Event::TestPassed);
      CHECK(place(*taken, Action::Install) < place(*taken, Action::Switch));
      CHECK(place(*taken, Action::Switch) < place(*taken, Action::Reload));
    }
  }
}

TEST_CASE("every bundle that is taken up ends in one answer, and a timeout may be followed by a better one") {
  CHECK(has(*step(State::Testing, Event::TestFailed), Action::AckRefused));
  CHECK(has(*step(State::Reloading, Event::AllRun), Action::AckApplied));
  CHECK(has(*step(State::Reloading, Event::TimedOut), Action::AckRefused));
  CHECK(has(*step(State::Reloading, Event::Refused), Action::AckRefused));
  CHECK(has(*step(State::Swapping, Event::AllRun), Action::AckApplied));
  CHECK(has(*step(State::Swapping, Event::Refused), Action::AckRefused));
  CHECK(has(*step(State::Swapping, Event::TimedOut), Action::AckTimeout));
  CHECK(has(*step(State::Behind, Event::AllRun), Action::AckApplied));
  for (const Event event : kEvents) {
    const auto taken = step(State::RollingBack, event);
    if (!taken) continue;
    CHECK(!has(*taken, Action::AckApplied));
    CHECK(!has(*taken, Action::AckRefused));
  }
}

TEST_CASE("only a reload is undone by a reload") {
  CHECK(has(*step(State::Reloading, Event::Refused), Action::Reload));
  CHECK(!has(*step(State::Swapping, Event::Refused), Action::Reload));
  CHECK(has(*step(State::Swapping, Event::Refused), Action::SwitchBack));
}

TEST_CASE("what comes too late changes nothing") {
  CHECK(!step(State::Idle, Event::TestPassed));
  CHECK(!step(State::Idle, Event::AllRun));
  CHECK(!step(State::Idle, Event::Refused));
  CHECK(!step(State::Idle, Event::TimedOut));
  CHECK(!step(State::Swapping, Event::TestPassed));
}

}  // namespace
}  // namespace meshauth::agent
