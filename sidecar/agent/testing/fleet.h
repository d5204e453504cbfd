// A real fleet server on loopback for the agent's tests, with keys, certificates and files of its own.
#pragma once

#include <condition_variable>
#include <fstream>
#include <memory>
#include <mutex>
#include <vector>

#include <prometheus/registry.h>

#include "operator/fleet/pki.h"
#include "operator/fleet/server.h"
#include "sidecar/agent/testing/temporary.h"

namespace meshauth::agent::testing {

constexpr auto kPatience = std::chrono::seconds(20);

/// What happens on the server's thread, awaited.
template <class T>
class Heard {
 public:
  void add(T value) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(value));
    changed_.notify_all();
  }
  /// The newest that fits, once there is one after the first `skip`; nullopt after kPatience.
  template <class Fits>
  std::optional<T> await(Fits fits, std::size_t skip = 0) {
    std::unique_lock lock(mutex_);
    std::optional<T> found;
    changed_.wait_for(lock, kPatience, [&] {
      for (std::size_t i = skip; i < all_.size(); ++i) {
        if (fits(all_[i])) found = all_[i];
      }
      return found.has_value();
    });
    return found;
  }
  bool await_count(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return all_.size() >= count; });
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return all_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> all_;
};

class Fleet {
 public:
  Fleet() {
    std::ofstream(token_file()) << "a-secret-of-more-than-16-bytes\n";
    trust_with({authority.certificate_pem});
    start();
  }

  void start(std::chrono::milliseconds ping = std::chrono::seconds(15)) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto certificate = fleet::issue_server_certificate(authority, {"localhost"}, now, std::chrono::hours(1));
    fleet::FleetOptions options;
    options.listen = "127.0.0.1:" + std::to_string(port);
    options.certificate_pem = certificate->certificate_pem;
    options.key_pem = certificate->key_pem;
    options.ping_interval = ping;
    fleet::FleetHandlers handlers;
    handlers.on_ack = [this](const fleet::SidecarAck& ack) { acks.add(ack.ack); };
    handlers.on_report = [this](const fleet::SidecarReport& report) { reports.add(report.report); };
    handlers.on_connect = [this](const std::string& pod, const std::string&) { connects.add(pod); };
    registry = std::make_unique<prometheus::Registry>();
    server = std::move(*fleet::FleetServer::start(options, std::make_shared<fleet::FileAuthenticator>(token_file()),
                                                  handlers, *registry));
    port = server->port();
    server->set_leader(true);
    if (published) server->publish("shop/orders", published);
  }
  void stop() { server.reset(); }

  void trust_with(std::vector<std::string> authorities) const {
    const std::string file = trust_file();
    std::ofstream(file + ".new") << bundle::Trust{{key.public_key()}, std::move(authorities)}.to_json();
    std::filesystem::rename(file + ".new", file);
  }
  std::string token_file() const { return folder.path() + "/token"; }
  std::string trust_file() const { return folder.path() + "/trust.json"; }
  std::string url() const { return "https://localhost:" + std::to_string(port); }

  bundle::Bundle make(bundle::Files files) {
    return *bundle::make_bundle(std::move(files), "shop/orders", {1, ++sequence}, key);
  }
  std::string publish(bundle::Bundle bundle) {
    published = std::make_shared<const bundle::Bundle>(std::move(bundle));
    if (server) server->publish("shop/orders", published);
    return published->manifest.revision;
  }
  std::string publish(bundle::Files files) { return publish(make(std::move(files))); }
  std::optional<bundle::Ack> await_ack(const std::string& revision, bundle::Outcome outcome) {
    return acks.await([&](const bundle::Ack& ack) { return ack.revision == revision && ack.outcome == outcome; });
  }

  TemporaryFolder folder;
  fleet::Certificate authority = *fleet::make_authority(
      "test", std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()), std::chrono::hours(24));
  bundle::SigningKey key = bundle::SigningKey::generate();
  std::uint64_t sequence = 0;
  std::shared_ptr<const bundle::Bundle> published;
  Heard<bundle::Ack> acks;
  Heard<bundle::Report> reports;
  Heard<std::string> connects;
  std::uint16_t port = 0;
  std::unique_ptr<prometheus::Registry> registry;
  std::unique_ptr<fleet::FleetServer> server;
};

}  // namespace meshauth::agent::testing
