// The threads that take keys from the queue and reconcile them.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "operator/controllers/controllers.h"
#include "operator/kube/work_queue.h"

namespace meshauth::controllers {

class KeyQueue : public kube::WorkQueue<Key> {
 public:
  explicit KeyQueue(http::Metrics& metrics) : WorkQueue({.name = "reconcile"}, metrics) {}
};

/// Runs from construction to destruction. Metrics controller_runtime_reconcile_total{controller,result},
/// controller_runtime_reconcile_errors_total and controller_runtime_reconcile_time_seconds, present at 0.
class Workers {
 public:
  Workers(KeyQueue& queue, Controllers& controllers, int count, http::Metrics& metrics);
  ~Workers();

 private:
  struct Counters;
  void work(const std::stop_token& stop);

  KeyQueue& queue_;
  Controllers& controllers_;
  std::unique_ptr<Counters> counters_;
  std::vector<std::jthread> threads_;
};

}  // namespace meshauth::controllers
