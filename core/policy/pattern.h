// Patterns of a policy: of paths, hosts and subjects.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/policy/path.h"

namespace meshauth::policy {

/// A path pattern: text, `{name}` or `*` per segment, `**` at most as the last. Text is compared exactly; `{name}` and
/// `*` are one segment that is not empty; `/x/**` matches /x, /x/ and all below.
class PathPattern {
 public:
  struct Segment {
    enum class Kind : std::uint8_t { Text, Any, Variable } kind = Kind::Text;
    std::string text;  ///< the text, or the variable's name
  };

  /// Of a pattern that the model accepted.
  explicit PathPattern(std::string_view text);

  bool matches(const Path& path) const;
  const std::vector<Segment>& segments() const { return segments_; }
  bool rest() const { return rest_; }  ///< ends in `**`

  /// Which segment the variable is; nullopt if the pattern does not hold it.
  std::optional<std::size_t> variable(std::string_view name) const;

 private:
  std::vector<Segment> segments_;
  bool rest_ = false;
};

/// A host pattern: exact, or `*.example.com`, which is any host below example.com by one label or more.
class HostPattern {
 public:
  explicit HostPattern(std::string_view text);
  /// `host` is normalized.
  bool matches(std::string_view host) const;

 private:
  std::string text_;  ///< for a wildcard ".example.com"
  bool below_ = false;
};

/// A subject: exact, or with one * that stands for any text, the empty one too.
bool subject_matches(std::string_view pattern, std::string_view subject) noexcept;

}  // namespace meshauth::policy
