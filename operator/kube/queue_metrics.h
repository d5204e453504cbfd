// The metrics of a work queue, under the names that client-go gave them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "operator/http/metrics.h"

namespace meshauth::kube {

/// workqueue_{depth, adds_total, queue_duration_seconds, work_duration_seconds, retries_total, unfinished_work_seconds,
/// longest_running_processor_seconds}{name}; all there, at 0, from the start.
class QueueMetrics {
 public:
  struct Busy {
    double unfinished_seconds = 0;
    double longest_seconds = 0;
  };

  /// busy runs at each scrape, from the thread that scrapes.
  QueueMetrics(const std::string& name, http::Metrics& metrics, std::function<Busy()> busy);
  ~QueueMetrics();

  void added();
  void retried();
  void depth(std::size_t depth);
  void waited(std::chrono::nanoseconds duration);  ///< in the queue
  void worked(std::chrono::nanoseconds duration);  ///< from get to done

 private:
  struct Series;
  std::unique_ptr<Series> series_;
  http::Metrics::Hook hook_;
};

}  // namespace meshauth::kube
