// Every check of a token, for a person: not only the first that fails.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/provider.h"
#include "core/base/reason.h"
#include "core/jose/key_set.h"

namespace meshauth::jose {

struct Check {
  enum class Result : std::uint8_t { passed, failed, skipped };

  std::string name;  ///< form, payload, algorithm, issuer, ...
  Result result = Result::skipped;
  Reason reason = Reason::none;  ///< failed: why
  std::string detail;            ///< failed: a sentence; skipped: what was missing
};

struct Inspection {
  std::string header,
      payload;                ///< decoded, as far as they are base64url; bytes from outside: escape them for a terminal
  std::vector<Check> checks;  ///< in the verifier's order

  /// What the verifier would say; none if no check failed.
  Reason first_failure() const;
};

/// All checks of a provider. Without an issuer, audiences or keys (nullptr) that check is skipped. now: unix seconds.
Inspection inspect(std::string_view token, const ProviderSettings& provider, const KeySet* keys, double now);

}  // namespace meshauth::jose
