#include "core/policy/pattern.h"

#include <algorithm>

#include "core/base/text.h"

namespace meshauth::policy {

PathPattern::PathPattern(std::string_view text) {
  for (const std::string_view piece : split(text.substr(1), '/')) {
    if (piece == "**") {
      rest_ = true;
    } else if (piece == "*") {
      segments_.push_back({Segment::Kind::Any, {}});
    } else if (piece.starts_with('{')) {
      segments_.push_back({Segment::Kind::Variable, std::string(piece.substr(1, piece.size() - 2))});
    } else {
      segments_.push_back({Segment::Kind::Text, std::string(piece)});
    }
  }
}

bool PathPattern::matches(const Path& path) const {
  const auto& given = path.segments;
  if (rest_ ? given.size() < segments_.size() : given.size() != segments_.size()) return false;
  return std::equal(segments_.begin(), segments_.end(), given.begin(),
                    [](const Segment& want, const std::string& segment) {
                      return want.kind == Segment::Kind::Text ? want.text == segment : !segment.empty();
                    });
}

std::optional<std::size_t> PathPattern::variable(std::string_view name) const {
  const auto at = std::find_if(segments_.begin(), segments_.end(), [&](const Segment& segment) {
    return segment.kind == Segment::Kind::Variable && segment.text == name;
  });
  if (at == segments_.end()) return std::nullopt;
  return static_cast<std::size_t>(at - segments_.begin());
}

HostPattern::HostPattern(std::string_view text) : below_(text.starts_with("*.")) {
  // An IPv6 address has many spellings; the model has checked that this is a host.
  text_ = below_ ? std::string(text.substr(1)) : normalize_host(text).value_or(std::string(text));
}

bool HostPattern::matches(std::string_view host) const {
  return below_ ? host.size() > text_.size() && host.ends_with(text_) : host == text_;
}

bool subject_matches(std::string_view pattern, std::string_view subject) noexcept {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == subject;
  const std::string_view before = pattern.substr(0, star), after = pattern.substr(star + 1);
  return subject.size() >= before.size() + after.size() && subject.starts_with(before) && subject.ends_with(after);
}

}  // namespace meshauth::policy
