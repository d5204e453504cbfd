// Decides for a stock nginx what our module decides in nginx: the same snapshot, engine and cache. On one thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "core/engine/decide.h"
#include "core/engine/worker_report.h"
#include "sidecar/agent/options.h"
#include "sidecar/nginx/counters.h"

namespace meshauth::agent {

struct Question;

struct DeciderOptions {
  engine::Options engine;
  bool observe = false;
  std::string resource_metadata;
  double audit_allowed = 0;
  std::size_t token_cache = engine::kDefaultTokenCacheBytes;
};
/// Errors: a flag that the module's directive would refuse.
Result<DeciderOptions> decider_options(const Options& options);

class Decider {
 public:
  explicit Decider(const DeciderOptions& options);

  /// In force from now on. nginx workers whose auth.conf is that of the one before are answered by that one, until
  /// settle(): no policy meets the identity headers of another.
  void take(std::unique_ptr<engine::Snapshot> next);
  void settle() { before_ = {}; }
  void set_fresh(const bundle::Fresh& fresh);

  /// head: what nginx sent. The answer's bytes; empty where that is no question: hang up, what follows is none either.
  std::string answer(std::string& head, double now) noexcept;

  /// What was decided, and which keys nobody knew, since the last call.
  std::vector<engine::WorkerReport> take_reports();

 private:
  std::string answer_or_throw(std::string& head, double now);
  /// A snapshot, and the headers of its auth.conf: the name that the application sees, and that of the answer.
  struct InForce {
    std::unique_ptr<engine::Snapshot> snapshot;
    std::vector<std::pair<std::string, std::string>> headers;
  };
  const InForce& in_force_for(std::string_view auth_conf) const;
  engine::Outcome decide(const Question& question, engine::Snapshot* snapshot, double now);

  DeciderOptions options_;
  engine::TokenCache cache_;
  nginx::Counters counters_;
  std::map<std::string, std::string> unknown_kids_;  ///< by key source: the last one
  std::mt19937_64 random_;
  InForce newest_;  ///< empty: no bundle yet
  InForce before_;  ///< with another auth.conf
  bundle::Fresh fresh_;
};

}  // namespace meshauth::agent
