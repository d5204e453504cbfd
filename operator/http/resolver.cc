#include "operator/http/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "core/base/text.h"

namespace meshauth::http {
namespace {

constexpr int kMaxRunning = 32;
std::atomic<int> running{0};

std::optional<IpAddress> to_address(const addrinfo& info) {
  IpAddress address;
  if (info.ai_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(info.ai_addr);
    std::copy_n(v6->sin6_addr.s6_addr, 16, address.bytes.begin());
    return address;
  }
  if (info.ai_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(info.ai_addr);
    address.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    std::copy_n(reinterpret_cast<const std::uint8_t*>(&v4->sin_addr), 4, address.bytes.begin() + 12);
    return address;
  }
  return std::nullopt;
}

/// Shared with a thread that may outlive the caller's patience.
struct Pending {
  std::mutex mutex;
  std::condition_variable_any done;
  std::optional<Result<std::vector<IpAddress>>> addresses;
};

}  // namespace

Result<std::vector<IpAddress>> resolve_with_system(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0)
    return fail("{} has no address: {}", in_quotes(host), gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    const auto address = to_address(*info);
    if (address && std::find(addresses.begin(), addresses.end(), *address) == addresses.end())
      addresses.push_back(*address);
  }
  if (addresses.empty()) return fail("{} has no IPv4 or IPv6 address", in_quotes(host));
  return addresses;
}

Resolution resolve_until(const std::string& host, const Resolve& resolve,
                         std::chrono::steady_clock::time_point deadline, const std::stop_token& stop) {
  if (running.fetch_add(1) >= kMaxRunning) {
    running.fetch_sub(1);
    return {ResolveEnd::Done,
            fail("{} names are being resolved without an answer; is the DNS server down?", kMaxRunning)};
  }
  const auto pending = std::make_shared<Pending>();
  try {
    std::thread([pending, host, resolve] {
      Result<std::vector<IpAddress>> addresses = resolve ? resolve(host) : resolve_with_system(host);
      running.fetch_sub(1);
      const std::lock_guard lock(pending->mutex);
      pending->addresses = std::move(addresses);
      pending->done.notify_all();
    }).detach();
  } catch (const std::system_error& error) {
    running.fetch_sub(1);
    return {ResolveEnd::Done, fail("no thread to resolve {} with: {}", in_quotes(host), error.what())};
  }
  std::unique_lock lock(pending->mutex);
  if (pending->done.wait_until(lock, stop, deadline, [&] { return pending->addresses.has_value(); }))
    return {ResolveEnd::Done, std::move(*pending->addresses)};
  return {stop.stop_requested() ? ResolveEnd::Cancelled : ResolveEnd::TimedOut, {}};
}

}  // namespace meshauth::http
