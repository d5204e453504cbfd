#include "sidecar/agent/decider.h"

#include <charconv>
#include <chrono>

#include "core/base/text.h"
#include "core/engine/challenge.h"
#include "core/engine/forwarded.h"
#include "core/engine/request_line.h"
#include "core/render/auth_conf.h"
#include "operator/log/log.h"
#include "sidecar/agent/question.h"
#include "sidecar/nginx/trace.h"

namespace meshauth::agent {
namespace {

using std::chrono::steady_clock;

/// "16m" as nginx reads sizes.
std::optional<std::size_t> parse_size(std::string_view text) {
  std::size_t unit = 1;
  if (text.ends_with('k') || text.ends_with('K')) unit = std::size_t{1} << 10;
  if (text.ends_with('m') || text.ends_with('M')) unit = std::size_t{1} << 20;
  if (unit != 1) text.remove_suffix(1);
  std::size_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  constexpr std::size_t kMost = std::size_t{4} << 30;
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || number > kMost / unit) return std::nullopt;
  if (number * unit < engine::kMinTokenCacheBytes) return std::nullopt;
  return number * unit;
}

void add_decision(Answer& answer, const engine::Outcome& outcome) {
  answer.add("Mesh-Auth-Decision", outcome.allow ? "allow" : "deny");
  answer.add("Mesh-Auth-Reason", reason_name(outcome.reason));
  answer.add("Mesh-Auth-Policy", outcome.policy);
  answer.add("Mesh-Auth-Rule", outcome.rule);
  if (!outcome.audit) return;
  answer.add("Mesh-Auth-Audit-Decision", outcome.audit->allow ? "allow" : "deny");
  if (outcome.audit->policy.empty()) return;
  answer.add("Mesh-Auth-Audit-Rule", engine::harmless(outcome.audit->policy + ":" + outcome.audit->rule));
}

void add_caller(Answer& answer, const engine::Outcome& outcome) {
  answer.add("Mesh-Auth-Issuer", engine::harmless(outcome.caller ? outcome.caller->issuer->name : outcome.issuer));
  if (!outcome.caller) return;
  answer.add("Mesh-Auth-Token-Id", engine::harmless(outcome.caller->token_id));
  const auto* principal = outcome.principal();
  answer.add("Mesh-Auth-Provider", principal->provider);
  answer.add("Mesh-Auth-Subject", engine::harmless(principal->subject));
  answer.add("Mesh-Auth-Client", engine::harmless(principal->client));
  answer.add("Mesh-Auth-Scopes", engine::scope_text(outcome));
}

/// nginx's log has the path as it was sent; what is in the way of a line of JSON it cannot encode itself.
void add_path(Answer& answer, std::string_view target) {
  constexpr std::size_t kMost = 8 * 1024;  // nginx takes answers of 64 KiB, most of them identity
  const std::string path = engine::loggable_path(target);
  if (target.find(path) == std::string_view::npos) answer.add("Mesh-Auth-Path", path.substr(0, kMost));
}

std::string traceparent_of(const std::vector<engine::Header>& headers) {
  std::string sent;
  std::size_t lines = 0;
  for (const engine::Header& header : headers) {
    if (header.name != "traceparent") continue;
    sent = header.value;
    ++lines;
  }
  return lines == 1 ? sent : "";
}

}  // namespace

Result<DeciderOptions> decider_options(const Options& options) {
  DeciderOptions out;
  const auto allow = policy::parse_path_allow(options.path_allow);
  if (!options.path_allow.empty() && !allow) return fail("--path-allow: {}", allow.error().message);
  if (!options.path_allow.empty()) out.engine.path_allow = *allow;
  out.engine.preflight = options.preflight == "pass" ? engine::Preflight::Pass : engine::Preflight::Decide;
  out.observe = options.mode == "observe";
  if (!options.resource_metadata.empty() && !engine::is_metadata_url(options.resource_metadata)) {
    return fail("--resource-metadata: {} is no http or https URL of at most 1024 bytes",
                in_quotes(options.resource_metadata));
  }
  out.resource_metadata = options.resource_metadata;
  out.audit_allowed = options.audit_allowed;
  const auto cache = parse_size(options.token_cache);
  if (!cache)
    return fail("--token-cache: {} is no size from 64k to 4096m, such as 16m", in_quotes(options.token_cache));
  out.token_cache = *cache;
  return out;
}

Decider::Decider(const DeciderOptions& options)
    : options_(options), cache_(options.token_cache, std::random_device()()), random_(std::random_device()()) {}

void Decider::take(std::unique_ptr<engine::Snapshot> next) {
  next->set_fresh(fresh_);
  if (newest_.snapshot && newest_.snapshot->auth_conf != next->auth_conf) before_ = std::move(newest_);
  newest_ = {std::move(next), {}};
  for (std::string& name : render::identity_headers(newest_.snapshot->providers())) {
    std::string in_answer = render::header_answer(name);
    newest_.headers.emplace_back(std::move(name), std::move(in_answer));
  }
}

void Decider::set_fresh(const bundle::Fresh& fresh) {
  fresh_.merge(fresh);
  for (const InForce* held : {&newest_, &before_}) {
    if (held->snapshot) held->snapshot->set_fresh(fresh_);
  }
}

const Decider::InForce& Decider::in_force_for(std::string_view auth_conf) const {
  const bool fits = newest_.snapshot && newest_.snapshot->auth_conf == auth_conf;
  return !fits && before_.snapshot && before_.snapshot->auth_conf == auth_conf ? before_ : newest_;
}

engine::Outcome Decider::decide(const Question& question, engine::Snapshot* snapshot, double now) {
  if (!engine::delivers(question.request.target, question.unparsed_uri, !question.unparsed_uri.starts_with('/'))) {
    engine::Outcome refused;
    refused.reason = Reason::path_ambiguous;
    return refused;
  }
  if (snapshot == nullptr) return engine::no_bundle();
  engine::Outcome outcome = engine::decide(*snapshot, question.request, now, options_.engine, &cache_);
  if (outcome.allow && snapshot->auth_conf != question.auth_conf) {
    outcome = engine::no_bundle();
    outcome.detail = "this nginx worker was replaced, and its auth.conf with it";
  }
  if (!outcome.unknown_kid.empty()) unknown_kids_[outcome.unknown_kid_source] = outcome.unknown_kid;
  return outcome;
}

std::string Decider::answer_or_throw(std::string& head, double now) {
  const auto begin = steady_clock::now();
  auto question = read_question(head);
  if (!question) {
    log::warning("a question was not understood", {{"error", question.error()}});
    return {};
  }
  question->request.headers = question->headers;
  const InForce& in_force = in_force_for(question->auth_conf);
  engine::Snapshot* const snapshot = in_force.snapshot.get();
  const engine::Outcome outcome = decide(*question, snapshot, now);
  counters_.add(outcome);

  Answer answer(options_.observe ? 200 : outcome.status());
  add_decision(answer, outcome);
  add_caller(answer, outcome);
  add_path(answer, question->request.target);
  answer.add("WWW-Authenticate", engine::challenge(outcome, options_.resource_metadata));
  const auto trace =
      nginx::trace_of(traceparent_of(question->headers)).value_or(nginx::new_trace({random_(), random_(), random_()}));
  answer.add("Mesh-Auth-Trace-Id", trace.trace_id());
  answer.add("Mesh-Auth-Traceparent", trace.traceparent());
  const bool sampled = std::uniform_real_distribution<>(0, 1)(random_) < options_.audit_allowed;
  answer.add("Mesh-Auth-Log", !outcome.allow || outcome.audit || sampled ? "1" : "");
  if (snapshot != nullptr) {
    answer.add("Mesh-Auth-Revision", snapshot->revision);
    for (const auto& [name, in_answer] : in_force.headers) {
      answer.add(in_answer, engine::forwarded_value(snapshot, &outcome, name, question->headers));
    }
  }
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - begin);
  answer.add("Mesh-Auth-Microseconds", std::to_string(took.count()));
  return std::move(answer).bytes();
}

std::string Decider::answer(std::string& head, double now) noexcept {
  try {
    return answer_or_throw(head, now);
  } catch (...) {  // no memory, most likely
    return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
  }
}

std::vector<engine::WorkerReport> Decider::take_reports() {
  std::vector<engine::WorkerReport> out;
  while (!counters_.empty()) {
    engine::WorkerReport report;
    report.event = engine::WorkerEvent::counters;
    report.counters = counters_.take();
    out.push_back(std::move(report));
  }
  for (auto& [source, kid] : unknown_kids_) {
    engine::WorkerReport report;
    report.event = engine::WorkerEvent::unknown_kid;
    report.source = source;
    report.kid = kid;
    out.push_back(std::move(report));
  }
  unknown_kids_.clear();
  return out;
}

}  // namespace meshauth::agent
