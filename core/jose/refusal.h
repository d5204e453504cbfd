// Why a token was refused.
#pragma once

#include <string>
#include <vector>

#include "core/base/reason.h"

namespace meshauth::jose {

struct Refusal {
  Reason reason = Reason::internal;
  std::string detail;      ///< a sentence for `token inspect` and the log; never the token
  std::string key_source;  ///< kid_unknown: of which source; else empty
  std::string kid;         ///< kid_unknown: the kid, at most 256 bytes
  std::string issuer;      ///< iss if it was read, for the audit line

  /// Every key source that lacked the token's kid, whatever the reason above: each may need a refetch.
  std::vector<std::string> unknown_kid_sources;
};

}  // namespace meshauth::jose
