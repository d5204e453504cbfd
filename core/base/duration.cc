#include "core/base/duration.h"

#include <charconv>

#include "core/base/text.h"

namespace meshauth {
namespace {

constexpr Seconds kLongest = std::chrono::hours(8760);

struct Unit {
  char letter;
  Seconds size;
};
constexpr Unit kUnits[] = {{'h', Seconds(3600)}, {'m', Seconds(60)}, {'s', Seconds(1)}};

/// "" or "." and at least one digit.
bool is_fraction(std::string_view text) {
  if (text.empty()) return true;
  return text.size() > 1 && text[0] == '.' && text.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

/// Reads exactly `width` digits at `at`; -1 where there are none.
int digits(std::string_view text, std::size_t at, std::size_t width) {
  if (at + width > text.size()) return -1;
  int value = -1;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + width, value);
  return error == std::errc() && end == text.data() + at + width && text[at] != '-' ? value : -1;
}

}  // namespace

Result<Seconds> parse_duration(std::string_view text) {
  const auto refuse = [&] {
    return fail("{} is not a duration; write whole hours, minutes and seconds in that order, such as 30s, 5m or 1h30m",
                in_quotes(text));
  };
  Seconds total{0};
  std::string_view rest = text;
  const Unit* unit = kUnits;
  while (!rest.empty()) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc() || end == rest.data() + rest.size()) return refuse();
    while (unit != std::end(kUnits) && unit->letter != *end) ++unit;
    if (unit == std::end(kUnits)) return refuse();
    total += unit->size * value;
    ++unit;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()) + 1);
  }
  if (text.empty()) return refuse();
  if (total > kLongest) return fail("{} is longer than 8760h, the longest duration", text);
  return total;
}

std::string format_duration(Seconds duration) {
  if (duration.count() == 0) return "0s";
  std::string out;
  for (const Unit& unit : kUnits) {
    const auto count = duration / unit.size;
    if (count > 0) out += fmt::format("{}{}", count, unit.letter);
    duration %= unit.size;
  }
  return out;
}

std::string format_time(std::chrono::sys_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

Result<std::chrono::sys_seconds> parse_time(std::string_view text) {
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  const bool shape = text.size() >= 20 && text[4] == '-' && text[7] == '-' && text[10] == 'T' && text[13] == ':' &&
                     text[16] == ':' && text.back() == 'Z' && is_fraction(text.substr(19, text.size() - 20));
  const std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!shape || year < 0 || !date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60) {
    return fail("{} is not a time in UTC as RFC 3339 writes it, such as 2026-01-31T12:00:00Z", in_quotes(text));
  }
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) + Seconds(second);
}

}  // namespace meshauth
