// Datagrams from a worker to the agent of its pod.
#pragma once

#include <string>
#include <string_view>

#include "core/engine/worker_report.h"

namespace meshauth::nginx {

/// Never blocks, never fails loudly: an agent that is not there or is slow costs a report, not a request.
class Reporter {
 public:
  /// path: of the agent's SOCK_DGRAM unix socket; empty: nobody is told anything.
  explicit Reporter(std::string path);
  ~Reporter();
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  /// False: it was not taken (no agent, its queue is full, or longer than kMaxWorkerReportBytes).
  bool send(const engine::WorkerReport& report);

 private:
  std::string path_;
  int socket_ = -1;
};

}  // namespace meshauth::nginx
