#include "core/engine/worker_report.h"

#include <fmt/format.h>

#include <iterator>
#include <optional>

#include "core/base/json_doc.h"
#include "core/base/text.h"

namespace meshauth::engine {
namespace {

using simdjson::dom::element;

constexpr std::string_view kNames[] = {"hello", "swapped", "refused", "unknown_kid", "counters", "bye"};

std::optional<WorkerEvent> event_from_name(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<WorkerEvent>(i);
  }
  return std::nullopt;
}

/// A JSON string. Bytes that are no UTF-8 become U+FFFD, so that one odd kid does not lose a report.
void append_string(std::string& out, std::string_view text) {
  const bool utf8 = valid_utf8(text);
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else if (byte > 0x7f && !utf8) {
      out += "\xef\xbf\xbd";
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  fmt::format_to(std::back_inserter(out), ",\"{}\":", name);
  append_string(out, text);
}

void append_counter(std::string& out, const DecisionCount& counter) {
  fmt::format_to(std::back_inserter(out), "{{\"allow\":{},\"count\":{}", counter.allow, counter.count);
  append_member(out, "reason", counter.reason);
  append_member(out, "policy", counter.policy);
  append_member(out, "rule", counter.rule);
  append_member(out, "provider", counter.provider);
  append_member(out, "audit", counter.audit);
  append_member(out, "auditPolicy", counter.audit_policy);
  out += '}';
}

/// Reads members one by one; the first that is not what it should be is kept as the error.
class Members {
 public:
  explicit Members(element object) : object_(object) {}

  template <class T>
  void read(std::string_view name, T& into) {
    element value;
    if (failed() || object_[name].get(value) != simdjson::SUCCESS) return;
    if constexpr (std::is_same_v<T, std::string>) {
      std::string_view text;
      if (value.get(text) == simdjson::SUCCESS) {
        into = text;
        return;
      }
    } else {
      if (value.get(into) == simdjson::SUCCESS) return;
    }
    wrong_ = name;
  }

  bool failed() const { return !wrong_.empty(); }
  const std::string& wrong() const { return wrong_; }

 private:
  element object_;
  std::string wrong_;
};

std::string read_counter(element object, DecisionCount& counter) {
  if (!object.is_object()) return "counters";
  Members members(object);
  members.read("allow", counter.allow);
  members.read("count", counter.count);
  members.read("reason", counter.reason);
  members.read("policy", counter.policy);
  members.read("rule", counter.rule);
  members.read("provider", counter.provider);
  members.read("audit", counter.audit);
  members.read("auditPolicy", counter.audit_policy);
  return members.wrong();
}

std::string read_counters(element object, std::vector<DecisionCount>& counters) {
  element list;
  if (object["counters"].get(list) != simdjson::SUCCESS) return {};
  if (!list.is_array()) return "counters";
  for (const element item : simdjson::dom::array(list)) {
    if (auto wrong = read_counter(item, counters.emplace_back()); !wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace

std::string_view worker_event_name(WorkerEvent event) noexcept {
  return kNames[static_cast<std::size_t>(event)];
}

std::string to_json(const WorkerReport& report) {
  std::string out =
      fmt::format("{{\"v\":{},\"pid\":{},\"worker\":{},\"started\":{},\"type\":\"{}\"", kWorkerReportVersion,
                  report.pid, report.worker, report.started, worker_event_name(report.event));
  append_member(out, "revision", report.revision);
  append_member(out, "authConf", report.auth_conf);
  if (report.draining) out += ",\"draining\":true";
  if (report.event == WorkerEvent::swapped)
    fmt::format_to(std::back_inserter(out), ",\"swapMs\":{:.3f}", report.swap_ms);
  append_member(out, "refused", report.refused);
  append_member(out, "detail", std::string_view(report.detail).substr(0, kMaxReportDetail));
  append_member(out, "source", report.source);
  append_member(out, "kid", report.kid);
  if (!report.counters.empty()) {
    out += ",\"counters\":[";
    for (const DecisionCount& counter : report.counters) {
      if (out.back() != '[') out += ',';
      append_counter(out, counter);
    }
    out += ']';
  }
  out += '}';
  return out;
}

Result<WorkerReport> parse_worker_report(std::string_view json) {
  const auto doc = JsonDoc::parse(json, {.bytes = kMaxWorkerReportBytes, .depth = 4});
  if (!doc) return fail("a worker's report was refused: {}", json_fault(doc.error()));
  const element root = doc->root();
  if (!root.is_object()) return fail("a worker's report is no JSON object");

  std::int64_t version = 0;
  std::string type;
  std::uint64_t worker = 0;
  WorkerReport report;
  Members members(root);
  members.read("v", version);
  members.read("type", type);
  members.read("pid", report.pid);
  members.read("worker", worker);
  members.read("started", report.started);
  members.read("revision", report.revision);
  members.read("authConf", report.auth_conf);
  members.read("draining", report.draining);
  members.read("swapMs", report.swap_ms);
  members.read("refused", report.refused);
  members.read("detail", report.detail);
  members.read("source", report.source);
  members.read("kid", report.kid);
  const std::string wrong = members.failed() ? members.wrong() : read_counters(root, report.counters);
  if (!wrong.empty()) return fail("a worker's report has a wrong \"{}\"", wrong);
  if (version != kWorkerReportVersion) {
    return fail("a worker's report has version {}; this agent reads version {}", version, kWorkerReportVersion);
  }
  const auto event = event_from_name(type);
  if (!event) return fail("a worker's report has the unknown type {}", in_quotes(type));
  report.event = *event;
  report.worker = static_cast<unsigned>(worker);
  return report;
}

}  // namespace meshauth::engine
