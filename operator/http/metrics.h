// The one registry of metrics.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace prometheus {
class Registry;
}

namespace meshauth::http {

/// Outlives everything that registers in it.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  prometheus::Registry& registry() { return *registry_; }

  /// Runs before each scrape, for values that only a look at the clock gives; until the handle goes. May not call back.
  class Hook {
   public:
    Hook() = default;
    Hook(Hook&& other) noexcept : metrics_(std::exchange(other.metrics_, nullptr)), at_(other.at_) {}
    Hook& operator=(Hook&& other) noexcept;
    ~Hook() { reset(); }
    void reset();

   private:
    friend class Metrics;
    using At = std::list<std::function<void()>>::iterator;
    Hook(Metrics* metrics, At at) : metrics_(metrics), at_(at) {}
    Metrics* metrics_ = nullptr;
    At at_;
  };
  [[nodiscard]] Hook before_scrape(std::function<void()> hook);

  /// The text exposition format 0.0.4, content type kContentType.
  std::string text();
  static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  std::mutex mutex_;
  std::list<std::function<void()>> hooks_;  // guarded by mutex_
};

}  // namespace meshauth::http
