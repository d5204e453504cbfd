// Asynchronous operations made blocking, with an end: every one of them is cut short at a deadline or by a stop
// request.
#pragma once

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <optional>
#include <stop_token>
#include <utility>

namespace meshauth::http {

/// Owns a private io_context; one thread, one operation at a time.
class DeadlineIo {
 public:
  using Clock = std::chrono::steady_clock;

  DeadlineIo(const std::stop_token& stop, Clock::time_point deadline)
      : stop_(stop), deadline_(deadline), on_stop_(stop, Wake{&context_}) {}

  boost::asio::io_context& context() { return context_; }
  const std::stop_token& stop() const { return stop_; }
  Clock::time_point deadline() const { return deadline_; }
  bool stopped() const { return stop_.stop_requested(); }
  bool expired() const { return Clock::now() >= deadline_; }

  /// What an operation calls at its end; one type for all of them, for each of which Asio is instantiated whole.
  struct Handler {
    std::optional<boost::system::error_code>* result;
    void operator()(const boost::system::error_code& error, std::size_t = 0) const { *result = error; }
  };

  /// start(handler) begins the operation, cancel() makes it end. timed_out: it was cut short, at `until` or by a stop.
  template <class Start, class Cancel>
  boost::system::error_code run(Start start, Cancel cancel, Clock::time_point until) {
    std::optional<boost::system::error_code> result;
    context_.restart();
    start(Handler{&result});
    // stopped() is read after restart(), so that no stop request is lost between them.
    while (!result && !stopped()) {
      if (context_.run_one_until(until) == 0) break;
    }
    if (result) return *result;
    cancel();
    // The handler refers to `result`: it must have run before this function returns.
    while (!result) {
      context_.restart();
      context_.run_one();
    }
    return boost::asio::error::timed_out;
  }
  template <class Start, class Cancel>
  boost::system::error_code run(Start start, Cancel cancel) {
    return run(std::move(start), std::move(cancel), deadline_);
  }

 private:
  struct Wake {
    boost::asio::io_context* context;
    void operator()() const { context->stop(); }
  };

  boost::asio::io_context context_;
  std::stop_token stop_;
  Clock::time_point deadline_;
  std::stop_callback<Wake> on_stop_;
};

}  // namespace meshauth::http
