// How a bundle gets into force: the states of it, and a table of what follows what. Pure; the shell carries it out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/bundle/bundle.h"

namespace meshauth::agent {

/// Is an offered bundle to be taken?
enum class Order {
  Current,  ///< the revision in force, whatever its epoch
  Newer,    ///< another revision with an epoch that is not smaller than any seen
  Stale,    ///< another revision with a smaller epoch: somebody replays, or a mirror is behind
};
/// revision: in force, empty if none. highest: epoch of all bundles that were verified so far.
Order order_of(std::string_view revision, const bundle::Epoch& highest, const bundle::Manifest& offered);

enum class ApplyState : std::uint8_t {
  Idle,         ///< what is in place is what the workers run, or nothing is
  Testing,      ///< nginx -t looks at a new auth.conf
  Reloading,    ///< new workers start
  Swapping,     ///< workers read the folder; nothing was reloaded
  Behind,       ///< as Swapping, but time is up: the operator knows, and hears if it comes right
  RollingBack,  ///< the bundle before is in place again
};

enum class ApplyEvent : std::uint8_t {
  Offer,             ///< a newer bundle, auth.conf is that in force
  OfferNewAuthConf,  ///< a newer bundle, auth.conf is another
  TestPassed,
  TestFailed,
  AllRun,   ///< every live worker runs what is in place
  Refused,  ///< a worker refused what is in place
  TimedOut,
};

enum class ApplyAction : std::uint8_t {
  Postpone,     ///< keep the offer, in place of one kept before: newest wins
  Write,        ///< the bundle's files
  Test,         ///< nginx -t with its auth.conf
  Discard,      ///< what was written
  Install,      ///< its auth.conf is the one that nginx reads
  Switch,       ///< the link points to it
  Reload,       ///< nginx reads its configuration and starts new workers
  SwitchBack,   ///< the link points to the one before
  InstallBack,  ///< the auth.conf before
  StartTimer,
  StopTimer,
  Prune,  ///< revisions that nobody needs
  AckApplied,
  AckRefused,
  AckTimeout,
  TakeNext,  ///< the postponed offer, if there is one
};

struct ApplyStep {
  ApplyState next;
  std::span<const ApplyAction> actions;  ///< in this order
};

/// nullopt: nothing follows; the event came too late.
std::optional<ApplyStep> step(ApplyState state, ApplyEvent event);

std::string_view to_string(ApplyState state);

}  // namespace meshauth::agent
