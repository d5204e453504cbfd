#include "operator/kube/queue_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace meshauth::kube {
namespace {

using Labels = std::map<std::string, std::string>;

// Seconds, from 10 ns to 1000 s by tens: client-go's buckets, to which dashboards are made.
prometheus::Histogram::BucketBoundaries buckets() {
  return {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000};
}

template <class Builder>
auto& family(Builder builder, const char* name, const char* help, http::Metrics& metrics) {
  return builder.Name(name).Help(help).Register(metrics.registry());
}

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

struct QueueMetrics::Series {
  prometheus::Gauge& depth;
  prometheus::Counter& adds;
  prometheus::Counter& retries;
  prometheus::Histogram& queue_duration;
  prometheus::Histogram& work_duration;
  prometheus::Gauge& unfinished;
  prometheus::Gauge& longest;
};

QueueMetrics::QueueMetrics(const std::string& name, http::Metrics& metrics, std::function<Busy()> busy) {
  using prometheus::BuildCounter;
  using prometheus::BuildGauge;
  using prometheus::BuildHistogram;
  const Labels labels{{"name", name}};
  series_.reset(new Series{
      family(BuildGauge(), "workqueue_depth", "Current depth of workqueue", metrics).Add(labels),
      family(BuildCounter(), "workqueue_adds_total", "Total number of adds handled by workqueue", metrics).Add(labels),
      family(BuildCounter(), "workqueue_retries_total", "Total number of retries handled by workqueue", metrics)
          .Add(labels),
      family(BuildHistogram(), "workqueue_queue_duration_seconds",
             "How long in seconds an item stays in workqueue before being requested", metrics)
          .Add(labels, buckets()),
      family(BuildHistogram(), "workqueue_work_duration_seconds",
             "How long in seconds processing an item from workqueue takes", metrics)
          .Add(labels, buckets()),
      family(BuildGauge(), "workqueue_unfinished_work_seconds",
             "How many seconds of work has been done that is in progress and hasn't been observed by work_duration",
             metrics)
          .Add(labels),
      family(BuildGauge(), "workqueue_longest_running_processor_seconds",
             "How many seconds has the longest running processor for workqueue been running", metrics)
          .Add(labels),
  });
  hook_ = metrics.before_scrape([series = series_.get(), busy = std::move(busy)] {
    const Busy now = busy();
    series->unfinished.Set(now.unfinished_seconds);
    series->longest.Set(now.longest_seconds);
  });
}

QueueMetrics::~QueueMetrics() = default;

void QueueMetrics::added() {
  series_->adds.Increment();
}
void QueueMetrics::retried() {
  series_->retries.Increment();
}
void QueueMetrics::depth(std::size_t depth) {
  series_->depth.Set(static_cast<double>(depth));
}
void QueueMetrics::waited(std::chrono::nanoseconds duration) {
  series_->queue_duration.Observe(seconds(duration));
}
void QueueMetrics::worked(std::chrono::nanoseconds duration) {
  series_->work_duration.Observe(seconds(duration));
}

}  // namespace meshauth::kube
