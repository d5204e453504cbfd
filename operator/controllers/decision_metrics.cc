#include "operator/controllers/decision_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <algorithm>

#include "core/base/reason.h"

namespace meshauth::controllers {
namespace {

using Labels = WorkloadSeries::Labels;

// No policy, provider or workload has these names: theirs have a slash.
constexpr const char* kNone = "none";
constexpr const char* kOther = "other";

const char* decision_label(bool allow) {
  return allow ? "allow" : "deny";
}

std::string reason_label(const bundle::DecisionCount& decision) {
  if (decision.allow) return decision.reason.empty() ? kNone : kOther;
  return reason_from_name(decision.reason) == Reason::none ? kOther : decision.reason;
}

bool has_provider(const plan::Previous& bundle, const std::string& id) {
  return std::any_of(bundle.providers.begin(), bundle.providers.end(), [&](const auto& held) { return held.id == id; });
}

/// Does a rule of that name decide so? Those of audit policies decide nothing.
bool has_rule(const plan::Previous& bundle, const std::string& policy, const std::string& rule, bool allow) {
  const auto& policies = bundle.policy.policies;
  const auto held = std::find_if(policies.begin(), policies.end(), [&](const auto& each) { return each.id == policy; });
  if (held == policies.end() || held->mode != model::Mode::Enforce) return false;
  return std::any_of(held->rules.begin(), held->rules.end(), [&](const model::Rule& each) {
    return each.name == rule && (each.action == model::Action::Allow) == allow;
  });
}

prometheus::Family<prometheus::Counter>& family(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

}  // namespace

bool WorkloadSeries::add(const std::string& workload, const Labels& labels, double count) {
  const auto of_workload = by_workload_.find(workload);
  if (of_workload != by_workload_.end()) {
    if (const auto found = of_workload->second.find(labels); found != of_workload->second.end()) {
      found->second->Increment(count);
      return true;
    }
    if (of_workload->second.size() >= kMostOfWorkload) return false;
  }
  if (size_ >= kMost) return false;
  Labels all = labels;
  all["workload"] = workload;
  prometheus::Counter& counter = family_.Add(all);
  by_workload_[workload][labels] = &counter;
  ++size_;
  counter.Increment(count);
  return true;
}

void WorkloadSeries::add_overflow(const Labels& labels, double count) {
  Labels all = labels;
  all["workload"] = kOther;
  family_.Add(all).Increment(count);
}

template <class Stays>
void WorkloadSeries::keep_if(const std::string& workload, Stays stays) {
  const auto found = by_workload_.find(workload);
  if (found == by_workload_.end()) return;
  for (auto series = found->second.begin(); series != found->second.end();) {
    if (stays(series->first)) {
      ++series;
      continue;
    }
    family_.Remove(series->second);
    series = found->second.erase(series);
    --size_;
  }
  if (found->second.empty()) by_workload_.erase(found);
}

void WorkloadSeries::forget(const std::string& workload) {
  keep_if(workload, [](const Labels&) { return false; });
}

DecisionMetrics::DecisionMetrics(prometheus::Registry& registry)
    : decisions_(family(registry, "mesh_auth_decisions_total",
                        "Decisions that sidecars reported, by workload, reason and provider.")),
      rules_(family(registry, "mesh_auth_rule_decisions_total",
                    "Decisions that sidecars reported, by the rule that made them.")) {
  for (const bool allow : {true, false}) {
    const std::string decision = decision_label(allow);
    decisions_.add_overflow({{"decision", decision}, {"reason", allow ? kNone : kOther}, {"provider", kOther}}, 0);
    rules_.add_overflow({{"decision", decision}, {"policy", kOther}, {"rule", kOther}}, 0);
  }
}

void DecisionMetrics::count(const std::string& workload, const plan::Previous& bundle,
                            const bundle::DecisionCount& decision) {
  if (decision.count == 0) return;
  const auto count = static_cast<double>(std::min(decision.count, kMostAtOnce));
  const std::string& given = decision.provider;
  const std::string provider = given.empty() ? kNone : has_provider(bundle, given) ? given : kOther;
  Labels labels{
      {"decision", decision_label(decision.allow)}, {"reason", reason_label(decision)}, {"provider", provider}};
  if (!decisions_.add(workload, labels, count)) {
    labels["provider"] = kOther;
    decisions_.add_overflow(labels, count);
  }
  if (decision.policy.empty()) return;
  const bool known = has_rule(bundle, decision.policy, decision.rule, decision.allow);
  labels = {{"decision", decision_label(decision.allow)},
            {"policy", known ? decision.policy : kOther},
            {"rule", known ? decision.rule : kOther}};
  if (rules_.add(workload, labels, count)) return;
  labels["policy"] = labels["rule"] = kOther;
  rules_.add_overflow(labels, count);
}

void DecisionMetrics::keep(const std::string& workload, const plan::Previous& bundle) {
  decisions_.keep_if(workload, [&](const Labels& labels) {
    const std::string& provider = labels.at("provider");
    return provider == kNone || provider == kOther || has_provider(bundle, provider);
  });
  rules_.keep_if(workload, [&](const Labels& labels) {
    const std::string& policy = labels.at("policy");
    return policy == kOther || has_rule(bundle, policy, labels.at("rule"), labels.at("decision") == "allow");
  });
}

void DecisionMetrics::forget(const std::string& workload) {
  decisions_.forget(workload);
  rules_.forget(workload);
}

}  // namespace meshauth::controllers
