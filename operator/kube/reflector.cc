#include "operator/kube/reflector.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <nlohmann/json.hpp>

#include "operator/http/metrics.h"

namespace meshauth::kube {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
// C++20 needs none; clang has learnt so late.
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

prometheus::Counter& counter(http::Metrics& metrics, const char* name, const char* help, const Resource& resource) {
  return prometheus::BuildCounter()
      .Name(name)
      .Help(help)
      .Register(metrics.registry())
      .Add({{"kind", std::string(resource.kind)}});
}

}  // namespace

struct Reflector::Counters {
  prometheus::Counter& lists;
  prometheus::Counter& restarts;
};

Reflector::Reflector(ReflectorOptions options, const ApiClient& api, Store& store, http::Metrics& metrics, Clock& clock,
                     Random random, std::function<void(const std::string&)> on_error)
    : options_(std::move(options)),
      api_(api),
      store_(store),
      clock_(clock),
      random_(std::move(random)),
      on_error_(std::move(on_error)),
      counters_(new Counters{counter(metrics, "mesh_auth_list_total", "Whole lists begun, by kind.", options_.resource),
                             counter(metrics, "mesh_auth_watch_restarts_total",
                                     "Watches opened again after the first, by kind.", options_.resource)}) {}

Reflector::~Reflector() {
  stop();
}

void Reflector::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Reflector::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

Reflector::Health Reflector::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

void Reflector::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const Pace pace =
        std::visit(Overloaded{[&](const WatchMachine::GetPage& command) { return visit_page(command, stop); },
                              [&](const WatchMachine::OpenWatch& command) { return visit_watch(command, stop); }},
                   machine_.next());
    if (pace == Pace::AfterBackoff) clock_.sleep(backoff_delay(options_.backoff, failures_ - 1, random_), stop);
  }
}

Reflector::Pace Reflector::visit_page(const WatchMachine::GetPage& command, const std::stop_token& stop) {
  if (command.continue_token.empty()) counters_->lists.Increment();
  const auto list = api_.list_page(options_.resource, options_.selection,
                                   {options_.page_limit, command.continue_token, options_.metadata_only}, stop);
  if (stop.stop_requested()) return Pace::Now;
  if (!list && list.error().expired()) {
    machine_.on_expired();
    return expired(list.error().message);
  }
  if (!list && list.error().not_found()) {
    return failed(fmt::format("{}; the API server does not know {}: are the CRDs installed?", list.error().message,
                              options_.resource.plural));
  }
  if (!list) return failed(list.error().message);
  auto effect = machine_.on_page(**list);
  if (!effect) return failed(fmt::format("{}: {}", options_.resource.plural, effect.error().message));
  return write(std::move(*effect));
}

Reflector::Pace Reflector::visit_watch(const WatchMachine::OpenWatch& command, const std::stop_token& stop) {
  if (std::exchange(listed_, true)) counters_->restarts.Increment();
  const auto begun = clock_.now();
  const int seconds = static_cast<int>(static_cast<double>(options_.shortest_watch.count()) * (1.0 + random_()));
  Pace pace = Pace::Now;
  std::string fault;
  bool moved = false;
  const auto on_line = [&](std::string_view line) {
    auto effect = machine_.on_event(line);
    if (!effect) {
      fault = effect.error().message;
      return false;
    }
    if (!std::holds_alternative<WatchMachine::Expired>(*effect)) {
      moved = true;
      failures_ = 0;
    }
    pace = write(std::move(*effect));
    return machine_.state() == WatchMachine::State::Watching;
  };
  const WatchRequest request{.resource_version = command.resource_version,
                             .timeout_seconds = seconds,
                             .metadata_only = options_.metadata_only,
                             .idle = options_.idle,
                             .on_open = [this] { following(); }};
  const auto end = api_.watch(options_.resource, options_.selection, request, on_line, stop);
  if (stop.stop_requested()) return Pace::Now;
  if (!end && end.error().expired()) {
    machine_.on_expired();
    return expired(end.error().message);
  }
  if (!end) return failed(end.error().message);
  if (!fault.empty()) return failed(fmt::format("watch of {}: {}", options_.resource.plural, fault));
  if (machine_.state() != WatchMachine::State::Watching) return pace;
  // A stream that ended, broken or not, is taken up again from the last version: at once if it was of use.
  const bool useful = moved || clock_.now() - begun >= std::chrono::seconds(1);
  if (useful) return Pace::Now;
  return failed(
      fmt::format("the watch of {} ended at once ({})", options_.resource.plural, http::stream_end_name(*end)));
}

Reflector::Pace Reflector::write(WatchMachine::Effect effect) {
  return std::visit(
      Overloaded{
          [](const WatchMachine::Nothing&) { return Pace::Now; },
          [&](WatchMachine::Replace& list) {
            std::string version = list.resource_version;
            for (Object& object : list.objects) object = reduced(std::move(object));
            if (!store_.replace(std::move(list.objects), std::move(list.resource_version))) {
              machine_.on_refused();
              return failed(fmt::format(
                  "the API server gave a list of {} of version {}, older than what was seen before ({}); if etcd "
                  "was restored, restart the operator with --min-term",
                  options_.resource.plural, version, store_.resource_version()));
            }
            const std::lock_guard lock(mutex_);
            health_.synced = true;
            return Pace::Now;
          },
          [&](WatchMachine::Apply& event) {
            store_.apply(reduced(std::move(event.object)), std::move(event.resource_version));
            return Pace::Now;
          },
          [&](WatchMachine::Remove& event) {
            store_.remove(*event.object, std::move(event.resource_version));
            return Pace::Now;
          },
          [&](WatchMachine::Advance& event) {
            store_.bookmark(std::move(event.resource_version));
            return Pace::Now;
          },
          [&](const WatchMachine::Expired& event) { return expired(event.message); }},
      effect);
}

Object Reflector::reduced(Object object) const {
  return options_.reduce ? std::make_shared<const nlohmann::json>(options_.reduce(*object)) : object;
}

void Reflector::following() {
  const std::lock_guard lock(mutex_);
  health_.following = true;
  health_.last_error.clear();
}

Reflector::Pace Reflector::failed(const std::string& message) {
  ++failures_;
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    changed = health_.last_error != message;
    health_.following = false;
    health_.last_error = message;
  }
  if (changed && on_error_) on_error_(message);
  return Pace::AfterBackoff;
}

// The first 410 is an everyday matter: one list, at once. If that did not help, there is no hurry.
Reflector::Pace Reflector::expired(const std::string& message) {
  if (failures_ > 0) return failed(message);
  ++failures_;
  return Pace::Now;
}

}  // namespace meshauth::kube
