#include "operator/http/exchange.h"

#include <utility>

namespace meshauth::http {

void Exchange::head(int status, Headers headers) {
  const std::lock_guard lock(mutex_);
  head_ = Head{status, std::move(headers)};
  changed_.notify_all();
}

Exchange::Put Exchange::put(std::string_view bytes, std::function<void()> resume) {
  const std::lock_guard lock(mutex_);
  if (gone_) return Put::Gone;
  bytes_.append(bytes);
  changed_.notify_all();
  if (bytes_.size() < capacity_) return Put::More;
  resume_ = std::move(resume);
  return Put::Full;
}

void Exchange::end(std::string error) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  ended_ = true;
  error_ = std::move(error);
  changed_.notify_all();
}

Exchange::Wait Exchange::wait_head(Time deadline, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const bool there = changed_.wait_until(lock, stop, deadline, [&] { return head_.has_value() || ended_; });
  if (head_) return Wait::Ready;
  if (there) return Wait::End;
  return stop.stop_requested() ? Wait::Cancelled : Wait::Timeout;
}

Exchange::Wait Exchange::take(std::string& out, Time deadline, const std::stop_token& stop) {
  out.clear();
  std::function<void()> resume;
  {
    std::unique_lock lock(mutex_);
    const bool there = changed_.wait_until(lock, stop, deadline, [&] { return !bytes_.empty() || ended_; });
    if (stop.stop_requested()) return Wait::Cancelled;
    if (!there) return Wait::Timeout;
    if (bytes_.empty()) return Wait::End;
    out.swap(bytes_);
    resume = std::exchange(resume_, nullptr);
  }
  if (resume) resume();
  return Wait::Ready;
}

void Exchange::abandon() {
  std::function<void()> resume;
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    bytes_.clear();
    resume = std::exchange(resume_, nullptr);
  }
  if (resume) resume();
}

Exchange::Head Exchange::take_head() {
  const std::lock_guard lock(mutex_);
  return std::move(*head_);
}

std::string Exchange::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

bool Exchange::gone() const {
  const std::lock_guard lock(mutex_);
  return gone_;
}

}  // namespace meshauth::http
