#include "sidecar/agent/decisions.h"

#include "operator/log/log.h"

namespace meshauth::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto kLook = 1s;  // where inotify does not tell

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Result<std::unique_ptr<Decisions>> Decisions::start(net::asio::io_context& io, const Options& options,
                                                    const std::string& socket, Heard heard) {
  const auto decider = decider_options(options);
  if (!decider) return tl::unexpected(decider.error());
  std::unique_ptr<Decisions> made(new Decisions(io, options, *decider, std::move(heard)));
  made->watch_.start();  // before the first look, so that no change falls between
  made->look();
  if (const auto started = made->server_->start(socket); !started) return tl::unexpected(started.error());
  return made;
}

Decisions::Decisions(net::asio::io_context& io, const Options& options, const DeciderOptions& decider, Heard heard)
    : io_(io),
      heard_(std::move(heard)),
      folder_(options.bundle_dir, options.trust_file, options.workload),
      watch_(io, options.bundle_dir, kLook, [this] { look(); }) {
  server_ = std::make_unique<DecisionServer>(decider, [this](std::vector<engine::WorkerReport> reports) {
    net::asio::post(io_, [this, reports = std::move(reports)] {
      for (const auto& report : reports) heard_.counted(report);
    });
  });
}

void Decisions::look() {
  look_at_fresh();
  look_at_bundle();
}

void Decisions::look_at_fresh() {
  auto stamp = folder_.fresh_stamp();
  if ((!stamp.json.exists && !watched_fresh_.seen()) || !watched_fresh_.due(stamp, now())) return;
  auto fresh = folder_.load_fresh();
  if (!fresh) {
    // Its two files are replaced one after the other: between them the signature does not fit, which is no news.
    if (watched_fresh_.refused(stamp, fresh.error().message, now())) {
      log::debug("fresh.json was not taken", {{"error", fresh.error()}});
    }
    return;
  }
  watched_fresh_.accepted(stamp);
  server_->post([fresh = std::move(*fresh)](Decider& decider) { decider.set_fresh(fresh); });
}

void Decisions::look_at_bundle() {
  auto stamp = folder_.bundle_stamp();
  const bool nothing_yet = stamp.target.empty() && !stamp.manifest.exists && !watched_bundle_.seen();
  if (nothing_yet || !watched_bundle_.due(stamp, now())) return;
  auto loaded = folder_.load();
  if (!loaded.snapshot) {
    const std::string& why = loaded.snapshot.error().message;
    if (watched_bundle_.refused(std::move(stamp), why, now())) heard_.refused(loaded.name, why);
    return;
  }
  watched_bundle_.accepted(stamp);
  take(std::move(*loaded.snapshot));
}

void Decisions::take(std::unique_ptr<engine::Snapshot> snapshot) {
  const auto revision = snapshot->revision, auth_conf = snapshot->auth_conf;
  const auto held = std::make_shared<std::unique_ptr<engine::Snapshot>>(std::move(snapshot));
  server_->post([this, held, revision, auth_conf](Decider& decider) {
    const auto begin = std::chrono::steady_clock::now();
    decider.take(std::move(*held));
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    net::asio::post(io_, [this, revision, auth_conf, ms = took.count()] {
      settled_ = settled_ && (auth_conf_.empty() || auth_conf_ == auth_conf);
      revision_ = revision;
      auth_conf_ = auth_conf;
      heard_.swapped(ms);
    });
  });
}

void Decisions::settle() {
  if (settled_) return;
  settled_ = true;
  server_->post([](Decider& decider) { decider.settle(); });
}

}  // namespace meshauth::agent
