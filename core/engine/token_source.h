// Where a request presents a token: the one place that takes a token out of a request.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "core/base/provider.h"
#include "core/base/reason.h"
#include "core/engine/request.h"

namespace meshauth::engine {

/// A set of a bundle's providers, by index.
using ProviderMask = std::vector<bool>;

/// Of one or more characters of b64token (RFC 6750 section 2.1) or '_': a little wider than any JWT, which has its own
/// reasons for what is wrong inside.
bool is_token(std::string_view text) noexcept;

struct Presented {
  std::string_view token;
  std::size_t source = 0;  ///< index into TokenSources::sources()
};

/// The places where any of some providers looks for tokens, each named once.
class TokenSources {
 public:
  struct Source {
    TokenSource at;
    ProviderMask providers;  ///< those that look there: no other may vouch for a token found there
  };

  TokenSources() = default;
  /// `only`: the providers whose sources count.
  TokenSources(const std::vector<ProviderSettings>& providers, const ProviderMask& only);

  const std::vector<Source>& sources() const { return sources_; }

  /// nullopt: no token is presented (none of the places holds one with its scheme).
  /// token_multiple: more than one is, or the field is there twice or comma-joined. token_malformed_source: a cookie
  /// hides behind a comma. token_too_large: over jose::kMaxTokenBytes. What is found need not be a token: where it is
  /// refused, is_token says whether that was why.
  tl::expected<std::optional<Presented>, Reason> find(std::span<const Header> headers) const;

 private:
  std::vector<Source> sources_;
};

}  // namespace meshauth::engine
