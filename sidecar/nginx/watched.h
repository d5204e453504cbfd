// When to look again at something that was looked at: when it changed, and, if it was refused, after a while all the
// same (the fault may have been ours: no memory, no descriptor, a disk that did not answer).
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace meshauth::nginx {

template <class Stamp>
class Watched {
 public:
  static constexpr double kFirstRetry = 1, kLongestRetry = 32;  ///< seconds; each wait is twice the one before

  bool seen() const { return seen_.has_value(); }

  bool due(const Stamp& stamp, double now) const {
    return !seen_ || *seen_ != stamp || (refusal_ && now >= refusal_->retry_at);
  }

  void accepted(Stamp stamp) {
    seen_ = std::move(stamp);
    refusal_.reset();
  }

  /// True if this is news: another thing, or another fault than the last time.
  bool refused(Stamp stamp, const std::string& why, double now) {
    const bool same = seen_ && *seen_ == stamp && refusal_;
    const bool news = !same || refusal_->why != why;
    const double wait = same ? std::min(2 * refusal_->wait, kLongestRetry) : kFirstRetry;
    seen_ = std::move(stamp);
    refusal_ = Refusal{why, wait, now + wait};
    return news;
  }

 private:
  struct Refusal {
    std::string why;
    double wait = 0, retry_at = 0;
  };
  std::optional<Stamp> seen_;
  std::optional<Refusal> refusal_;
};

}  // namespace meshauth::nginx
