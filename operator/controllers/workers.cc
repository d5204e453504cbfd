#include "operator/controllers/workers.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>

#include "operator/log/log.h"

namespace meshauth::controllers {
namespace {
constexpr std::array<const char*, 4> kNames{"workload", "policy", "provider", "source"};
}

struct Workers::Counters {
  struct Controller {
    prometheus::Counter *success, *error, *errors;
    prometheus::Histogram* seconds;
  };
  std::array<Controller, kNames.size()> by_kind;

  explicit Counters(prometheus::Registry& registry) {
    auto& total = prometheus::BuildCounter()
                      .Name("controller_runtime_reconcile_total")
                      .Help("Reconciles by controller and result.")
                      .Register(registry);
    auto& errors = prometheus::BuildCounter()
                       .Name("controller_runtime_reconcile_errors_total")
                       .Help("Reconciles that failed, by controller.")
                       .Register(registry);
    auto& seconds = prometheus::BuildHistogram()
                        .Name("controller_runtime_reconcile_time_seconds")
                        .Help("How long a reconcile took, by controller.")
                        .Register(registry);
    const prometheus::Histogram::BucketBoundaries buckets{0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05,
                                                          0.1,    0.25,  0.5,   1,     2.5,  5,     10};
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      by_kind[i] = {&total.Add({{"controller", kNames[i]}, {"result", "success"}}),
                    &total.Add({{"controller", kNames[i]}, {"result", "error"}}),
                    &errors.Add({{"controller", kNames[i]}}), &seconds.Add({{"controller", kNames[i]}}, buckets)};
    }
  }
};

Workers::Workers(KeyQueue& queue, Controllers& controllers, int count, http::Metrics& metrics)
    : queue_(queue), controllers_(controllers), counters_(std::make_unique<Counters>(metrics.registry())) {
  for (int i = 0; i < count; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

Workers::~Workers() {
  queue_.shutdown();
  threads_.clear();
}

void Workers::work(const std::stop_token& stop) {
  while (const auto key = queue_.get(stop)) {
    auto& counters = counters_->by_kind[static_cast<std::size_t>(key->kind)];
    const auto begin = std::chrono::steady_clock::now();
    bool good = false;
    try {
      good = controllers_.reconcile(*key);
    } catch (const std::exception& error) {
      log::error("reconcile failed", {{"object", key->id}, {"error", error.what()}});
    }
    counters.seconds->Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    (good ? counters.success : counters.error)->Increment();
    if (good) {
      queue_.forget(*key);
    } else {
      counters.errors->Increment();
      queue_.add_rate_limited(*key);
    }
    queue_.done(*key);
  }
}

}  // namespace meshauth::controllers
