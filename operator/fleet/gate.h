// Judges tokens: a cache before an authenticator that may block. Everything here is called on the one thread of the
// io_context; only the authenticator itself runs elsewhere.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "operator/fleet/authenticator.h"

namespace boost::asio {
class io_context;
class thread_pool;
}  // namespace boost::asio

namespace meshauth::fleet {

class FleetMetrics;

struct Verdict {
  enum class Kind { Known, Unknown, Unavailable };
  Kind kind = Kind::Unavailable;
  Caller caller;
};

/// Bounded: at most `threads` reviews at once, kMaxWaiting tokens waiting, kMaxKnown and kMaxUnknown remembered. Tokens
/// are kept as SHA-256 only. Several callers with one token cost one review.
class Gate {
 public:
  using Done = std::function<void(const Verdict&)>;
  static constexpr std::size_t kMaxKnown = 20'000;   // two tokens for each of 10,000 sidecars
  static constexpr std::size_t kMaxUnknown = 1'000;  // apart, so that junk never displaces sidecars
  static constexpr std::size_t kMaxWaiting = 2'000;

  Gate(boost::asio::io_context& io, std::shared_ptr<Authenticator> authenticator, std::size_t threads,
       FleetMetrics& metrics);
  ~Gate();

  /// Calls done at once or later, on the thread of the io_context.
  void check(std::string token, std::string instance, Done done);
  /// The pod is gone: its tokens are judged anew.
  void forget_pod(std::string_view pod);
  /// Answers all that wait with Unavailable, and from now on everyone.
  void cancel();
  /// Waits for the reviews that run. May be called from any thread, once the io_context's thread has ended.
  void stop();

 private:
  struct Entry {
    Verdict verdict;
    std::chrono::system_clock::time_point until;
  };
  using Cache = std::unordered_map<std::string, Entry>;

  const Verdict* find(Cache& cache, const std::string& key);
  void remember(const std::string& key, const Verdict& verdict);
  void finish(const std::string& key, const Verdict& verdict);

  boost::asio::io_context& io_;
  std::shared_ptr<Authenticator> authenticator_;
  FleetMetrics& metrics_;
  Cache known_;
  Cache unknown_;
  std::unordered_map<std::string, std::vector<Done>> waiting_;
  bool cancelled_ = false;
  std::unique_ptr<boost::asio::thread_pool> pool_;
};

}  // namespace meshauth::fleet
