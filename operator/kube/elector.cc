#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "operator/http/metrics.h"
#include "operator/kube/lease.h"

namespace meshauth::kube {

struct Elector::Gauge {
  prometheus::Gauge& master;
};

Elector::Elector(const ApiClient& api, LeaseOptions options, http::Metrics& metrics, Clock& clock,
                 std::function<void(const std::string&)> on_wait)
    : api_(api),
      options_(std::move(options)),
      clock_(clock),
      on_wait_(std::move(on_wait)),
      gauge_(
          new Gauge{prometheus::BuildGauge()
                        .Name("leader_election_master_status")
                        .Help("Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, "
                              "1 indicates master. 'name' is the string used to identify the lease.")
                        .Register(metrics.registry())
                        .Add({{"name", options_.name}})}) {}

Elector::~Elector() = default;

Result<std::unique_ptr<Leadership>> Elector::lead(std::function<void(const std::string&)> lost,
                                                  const std::stop_token& stop) {
  LeaseWatch watch;
  std::string said;
  while (!stop.stop_requested()) {
    std::string why;
    auto lease = try_once(watch, why, stop);
    if (stop.stop_requested()) break;
    if (!lease) return tl::unexpected(lease.error());
    if (*lease) {
      const auto record = read_lease(**lease);
      if (!record) return tl::unexpected(record.error());
      return std::unique_ptr<Leadership>(
          new Leadership(api_, options_, clock_, *lease, record->term, std::move(lost),
                         [&master = gauge_->master](bool held) { master.Set(held ? 1 : 0); }));
    }
    if (why != said && on_wait_) on_wait_(why);
    said = why;
    clock_.sleep(options_.retry, stop);
  }
  return std::unique_ptr<Leadership>();
}

Result<Object> Elector::try_once(LeaseWatch& watch, std::string& why, const std::stop_token& stop) {
  const auto current = api_.get(kLeases, options_.ns, options_.name, stop);
  if (!current && !current.error().not_found()) {
    if (current.error().code == 403) return tl::unexpected(current.error().error());
    why = current.error().message;
    return Object();
  }
  LeaseRecord record;
  if (current) {
    auto read = read_lease(**current);
    if (!read) return tl::unexpected(read.error());
    record = std::move(*read);
    // Our own identity: this process is new, whoever wrote that is not there any more.
    const bool free = record.holder == options_.identity || watch.free(record, clock_.now());
    if (!free && !(options_.has_ended && options_.has_ended(record.holder))) {
      why = fmt::format("{} holds Lease {}/{}", in_quotes(record.holder), options_.ns, options_.name);
      return Object();
    }
  }
  const nlohmann::json claim = claim_lease(current ? **current : nlohmann::json(), record, options_, clock_.wall());
  const auto written = current ? api_.replace(kLeases, claim, stop) : api_.create(kLeases, options_.ns, claim, stop);
  if (written) return *written;
  if (written.error().code == 403) return tl::unexpected(written.error().error());
  why = written.error().conflict() ? "another process was faster" : written.error().message;
  return Object();
}

}  // namespace meshauth::kube
