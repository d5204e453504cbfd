// W3C Trace Context (Recommendation of 2021-11-23, section 3.2): read from the client, or made where it is missing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace meshauth::nginx {

struct Trace {
  std::array<char, 55> text;  ///< 00-<32>-<16>-<2>

  /// What the upstream gets.
  std::string_view traceparent() const noexcept { return {text.data(), text.size()}; }
  /// 32 hexadecimal digits.
  std::string_view trace_id() const noexcept { return traceparent().substr(3, 32); }
};

using TraceRandom = std::array<std::uint64_t, 3>;

/// Numbers for new traces: no secret, and unlike those of other workers. Two streams of SplitMix64 (Steele, Lea, Flood:
/// Fast splittable pseudorandom number generators, 2014).
class TraceIds {
 public:
  TraceIds(std::uint64_t seed, std::uint64_t other) noexcept : states_{seed, other} {}
  TraceRandom next() noexcept { return {step(states_[0]), step(states_[1]), step(states_[0])}; }

 private:
  static std::uint64_t step(std::uint64_t& state) noexcept {
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  std::array<std::uint64_t, 2> states_;
};

/// header: the client's `traceparent`. One that is valid passes on as it is, of a version after 00 the four known
/// fields. Nothing: it is not.
std::optional<Trace> trace_of(std::string_view header) noexcept;

/// Not sampled.
Trace new_trace(const TraceRandom& random) noexcept;

/// New ones, a few made at a time: what makes them is cold memory for whoever needs only one.
class NewTraces {
 public:
  explicit NewTraces(const TraceIds& ids) noexcept : ids_(ids) {}
  const Trace& next() noexcept {
    if (left_ == 0) make();
    return made_[--left_];
  }

 private:
  void make() noexcept;

  TraceIds ids_;
  std::array<Trace, 16> made_{};
  std::size_t left_ = 0;
};

}  // namespace meshauth::nginx
