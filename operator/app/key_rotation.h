// When a key of the mesh goes from one phase to the next. Pure: what is known goes in, what is to be done comes out.
//
//   Steady --asked for, or old--> Announced --all trust it, or long enough--> Switched --overlap is over--> Steady
//
// Each step is written to the Secret before any of its effects, so that whoever starts next goes on from there. Times
// in a phase count from when this run of the operator took the phase up: what it waits for must have been seen by it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "operator/app/mesh_keys.h"

namespace meshauth::app {

struct KeyTimes {
  std::chrono::seconds lifetime{};         ///< the next one is announced at two thirds of it; 0: by request alone
  std::chrono::seconds confirm_timeout{};  ///< Announced lasts so long at most
  std::chrono::seconds overlap{};          ///< Switched lasts so long at least, and kLongestOverlap times it at most
};
inline constexpr int kLongestOverlap = 6;

struct KeyFacts {
  KeyPhase phase = KeyPhase::Steady;
  std::chrono::seconds age{};  ///< of the key in use
  bool asked = false;
  std::chrono::seconds in_phase{};
  /// Announced: who is not known to trust the next one. Switched: what still hangs on the one before.
  std::vector<std::string> waiting{};
};

enum class KeyStep { None, Announce, Switch, Retire };

struct KeyDecision {
  KeyStep step = KeyStep::None;
  bool forced = false;  ///< time is up although `waiting` is not empty
  friend bool operator==(const KeyDecision&, const KeyDecision&) = default;
};

KeyDecision decide(const KeyFacts& facts, const KeyTimes& times);

/// What annotation meshauth.dev/rotate asks for: signing-key, ca or all; empty: nothing. Errors: another text.
Result<std::vector<MeshKey>> parse_request(const std::string& text);
/// The annotation once `served` of it is done: the rest of it; empty: it goes.
std::string rest_of_request(const std::string& text, MeshKey served);

/// At most `most` names, and how many more there are.
std::string some_of(const std::vector<std::string>& names, std::size_t most = 8);

}  // namespace meshauth::app
