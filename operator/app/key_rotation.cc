#include "operator/app/key_rotation.h"

#include <algorithm>

#include "core/base/text.h"

namespace meshauth::app {

KeyDecision decide(const KeyFacts& facts, const KeyTimes& times) {
  const bool all = facts.waiting.empty();
  switch (facts.phase) {
    case KeyPhase::Steady: {
      const bool old = times.lifetime.count() > 0 && facts.age >= times.lifetime * 2 / 3;
      return {facts.asked || old ? KeyStep::Announce : KeyStep::None, false};
    }
    case KeyPhase::Announced:
      if (all) return {KeyStep::Switch, false};
      return facts.in_phase >= times.confirm_timeout ? KeyDecision{KeyStep::Switch, true} : KeyDecision{};
    case KeyPhase::Switched:
      if (facts.in_phase < times.overlap) return {};
      if (all) return {KeyStep::Retire, false};
      return facts.in_phase >= times.overlap * kLongestOverlap ? KeyDecision{KeyStep::Retire, true} : KeyDecision{};
  }
  return {};
}

Result<std::vector<MeshKey>> parse_request(const std::string& text) {
  if (text.empty()) return std::vector<MeshKey>();
  if (text == "all") return std::vector<MeshKey>(std::begin(kMeshKeys), std::end(kMeshKeys));
  for (const MeshKey key : kMeshKeys) {
    if (text == to_string(key)) return std::vector<MeshKey>{key};
  }
  return fail("annotation meshauth.dev/rotate is {}; signing-key, ca or all would be right",
              in_quotes(text.substr(0, 64)));
}

std::string rest_of_request(const std::string& text, MeshKey served) {
  const auto asked = parse_request(text);
  if (!asked) return text;
  for (const MeshKey key : *asked) {
    if (key != served) return std::string(to_string(key));
  }
  return "";
}

std::string some_of(const std::vector<std::string>& names, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > most) out += fmt::format(" and {} more", names.size() - most);
  return out;
}

}  // namespace meshauth::app
