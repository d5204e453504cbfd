#include "cli/token_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>

#include "core/base/duration.h"
#include "core/base/json_doc.h"
#include "core/base/json_number.h"
#include "core/base/text.h"
#include "core/jose/jws.h"

namespace meshauth::cli {
namespace {

constexpr double kLastPrintable = 253402300799;  // 9999-12-31T23:59:59Z

std::string shown(const std::string& text) {
  if (text.empty()) return "  (cannot be decoded)\n";
  const auto doc = JsonDoc::parse(text, {.bytes = jose::kMaxTokenBytes, .depth = 32});
  if (!doc) return "  " + in_quotes(text, 1000) + "\n";
  const std::string json = nlohmann::ordered_json::parse(with_representable_numbers(text)).dump(2, ' ', true);
  std::string out;
  for (const std::string_view line : split(json, '\n')) out += fmt::format("  {}\n", line);
  return out;
}

std::string time_text(double date, double now) {
  if (!(date >= 0 && date <= kLastPrintable)) return "no time";
  const auto seconds = Seconds(static_cast<std::int64_t>(date));
  const double distance = std::floor(std::abs(date - now));
  const std::string from_now = distance > 1e9 ? "" : format_duration(Seconds(static_cast<std::int64_t>(distance)));
  return fmt::format("{}{}", format_time(std::chrono::sys_seconds(seconds)),
                     from_now.empty() ? ""
                     : date > now     ? " (in " + from_now + ")"
                                      : " (" + from_now + " ago)");
}

std::string dates(const std::string& payload, double now) {
  const auto doc = JsonDoc::parse(payload, {.bytes = jose::kMaxTokenBytes, .depth = 32});
  std::string out;
  if (!doc) return out;
  for (const std::string_view name : {"iat", "nbf", "exp"}) {
    double date = 0;
    if (doc->root().at_key(name).get(date) == simdjson::SUCCESS) {
      out += fmt::format("  {} {}\n", name, time_text(date, now));
    }
  }
  return out.empty() ? "  (none)\n" : out;
}

std::string line(const jose::Check& check) {
  switch (check.result) {
    case jose::Check::Result::passed:
      return fmt::format("  ok    {}\n", check.name);
    case jose::Check::Result::skipped:
      return fmt::format("  -     {}: {}\n", check.name, check.detail);
    case jose::Check::Result::failed:
      break;
  }
  return fmt::format("  FAIL  {}: {} ({})\n", check.name, check.detail, reason_name(check.reason));
}

}  // namespace

void print_inspection(const jose::Inspection& inspection, double now, std::ostream& out) {
  out << "header\n" << shown(inspection.header);
  out << "claims (not to be trusted unless every check is ok)\n" << shown(inspection.payload);
  out << "times\n" << dates(inspection.payload, now);
  out << "checks\n";
  for (const jose::Check& check : inspection.checks) out << line(check);
  out << std::flush;
}

}  // namespace meshauth::cli
