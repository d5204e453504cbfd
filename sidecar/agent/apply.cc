#include "sidecar/agent/apply.h"

namespace meshauth::agent {
namespace {

using enum ApplyAction;
using State = ApplyState;
using Event = ApplyEvent;

constexpr ApplyAction kPostpone[] = {Postpone};
constexpr ApplyAction kSwap[] = {Write, Switch, StartTimer};
constexpr ApplyAction kTest[] = {Write, Test};
constexpr ApplyAction kReload[] = {Install, Switch, Reload, StartTimer};
constexpr ApplyAction kUnfit[] = {Discard, AckRefused, TakeNext};
constexpr ApplyAction kInForce[] = {StopTimer, Prune, AckApplied, TakeNext};
constexpr ApplyAction kNotInTime[] = {AckTimeout, TakeNext};
constexpr ApplyAction kSwapBack[] = {SwitchBack, AckRefused, StartTimer};
constexpr ApplyAction kReloadBack[] = {SwitchBack, InstallBack, Reload, AckRefused, StartTimer};
constexpr ApplyAction kBack[] = {StopTimer, Discard, TakeNext};

struct Row {
  State from;
  Event event;
  State to;
  std::span<const ApplyAction> actions;
};

// A bundle whose workers are Behind is given up for a newer one at once; all other work is finished first, since it
// takes milliseconds and has a limit.
constexpr Row kTable[] = {
    {State::Idle, Event::Offer, State::Swapping, kSwap},
    {State::Idle, Event::OfferNewAuthConf, State::Testing, kTest},

    {State::Testing, Event::Offer, State::Testing, kPostpone},
    {State::Testing, Event::OfferNewAuthConf, State::Testing, kPostpone},
    {State::Testing, Event::TestPassed, State::Reloading, kReload},
    {State::Testing, Event::TestFailed, State::Idle, kUnfit},

    {State::Reloading, Event::Offer, State::Reloading, kPostpone},
    {State::Reloading, Event::OfferNewAuthConf, State::Reloading, kPostpone},
    {State::Reloading, Event::AllRun, State::Idle, kInForce},
    {State::Reloading, Event::Refused, State::RollingBack, kReloadBack},
    {State::Reloading, Event::TimedOut, State::RollingBack, kReloadBack},

    {State::Swapping, Event::Offer, State::Swapping, kPostpone},
    {State::Swapping, Event::OfferNewAuthConf, State::Swapping, kPostpone},
    {State::Swapping, Event::AllRun, State::Idle, kInForce},
    {State::Swapping, Event::Refused, State::RollingBack, kSwapBack},
    {State::Swapping, Event::TimedOut, State::Behind, kNotInTime},

    {State::Behind, Event::Offer, State::Swapping, kSwap},
    {State::Behind, Event::OfferNewAuthConf, State::Testing, kTest},
    {State::Behind, Event::AllRun, State::Idle, kInForce},
    {State::Behind, Event::Refused, State::RollingBack, kSwapBack},

    {State::RollingBack, Event::Offer, State::RollingBack, kPostpone},
    {State::RollingBack, Event::OfferNewAuthConf, State::RollingBack, kPostpone},
    {State::RollingBack, Event::AllRun, State::Idle, kBack},
    {State::RollingBack, Event::TimedOut, State::Idle, kBack},
};

}  // namespace

Order order_of(std::string_view revision, const bundle::Epoch& highest, const bundle::Manifest& offered) {
  if (!revision.empty() && offered.revision == revision) return Order::Current;
  return offered.epoch < highest ? Order::Stale : Order::Newer;
}

std::optional<ApplyStep> step(ApplyState state, ApplyEvent event) {
  for (const Row& row : kTable) {
    if (row.from == state && row.event == event) return ApplyStep{row.to, row.actions};
  }
  return std::nullopt;
}

std::string_view to_string(ApplyState state) {
  switch (state) {
    case State::Idle:
      return "idle";
    case State::Testing:
      return "testing";
    case State::Reloading:
      return "reloading";
    case State::Swapping:
      return "swapping";
    case State::Behind:
      return "behind";
    case State::RollingBack:
      return "rolling back";
  }
  return "unknown";
}

}  // namespace meshauth::agent
