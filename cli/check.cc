// meshauthctl check and status: what a cluster says of itself, asked through the API server alone.
#include <sys/stat.h>

#include <condition_variable>
#include <ostream>
#include <thread>

#include "cli/check/gather.h"
#include "cli/check/print.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "operator/http/metrics.h"
#include "operator/kube/cluster_config.h"
#include "operator/kube/connection.h"

namespace meshauth::cli {
namespace {

struct ClusterOptions {
  std::string kubeconfig, context, ns, operator_ns = "mesh-auth-system", output = "table", timeout = "30s";
  bool all_namespaces = false;
};

void add_options(Command& command, ClusterOptions& options) {
  command.option("--kubeconfig", options.kubeconfig, "of the cluster; else as kubectl finds it");
  command.option("--context", options.context, "of the kubeconfig, instead of its current one");
  command.option("-n,--namespace", options.ns, "look at this namespace's resources and sidecars alone");
  command.flag("-A,--all-namespaces", options.all_namespaces, "look at those of every namespace, which is the default");
  command.option("--operator-namespace", options.operator_ns, "where the operator is").with_default();
  command.option("-o,--output", options.output, "table or json").one_of({"table", "json"}).with_default();
  command.option("--timeout", options.timeout, "for all that is read").with_default();
}

/// As kubectl looks: a kubeconfig that the environment names, or ~/.kube/config, counts before the pod that we run in.
kube::Environment kubectl_environment(const ClusterOptions& options) {
  return [named = !options.context.empty(),
          system = kube::system_environment()](const std::string& name) -> std::optional<std::string> {
    if (name != "KUBERNETES_SERVICE_HOST") return system(name);
    struct stat file {};
    const auto home = system("HOME");
    const bool has_file = home && ::stat((*home + "/.kube/config").c_str(), &file) == 0;
    return named || system("KUBECONFIG") || has_file ? std::nullopt : system(name);
  };
}

/// Asks for a stop once the time is over.
class Alarm {
 public:
  explicit Alarm(Seconds after)
      : thread_([this, after](const std::stop_token& ended) {
          std::mutex mutex;
          std::unique_lock lock(mutex);
          std::condition_variable_any wake;
          wake.wait_for(lock, ended, after, [] { return false; });
          if (!ended.stop_requested()) over_.request_stop();
        }) {}
  std::stop_token token() const { return over_.get_token(); }

 private:
  std::stop_source over_;
  std::jthread thread_;
};

Result<check::World> look(const ClusterOptions& options, bool sidecars_only) {
  const auto timeout = parse_duration(options.timeout);
  if (!timeout || timeout->count() == 0) {
    throw UsageError{fmt::format("--timeout is {}; 30s or 2m would be right", options.timeout)};
  }
  if (options.all_namespaces && !options.ns.empty()) {
    throw UsageError{"-n and --all-namespaces exclude each other: leave one of them out"};
  }
  const auto config = kube::load_cluster_config({options.kubeconfig, options.context}, kubectl_environment(options));
  if (!config) return tl::unexpected(config.error());
  const auto client = kube::connect(*config);
  if (!client) return tl::unexpected(client.error());
  http::Metrics metrics;
  const kube::ApiClient api(*client, {.host = kube::host_of(config->server), .deadline = *timeout}, metrics);
  const Alarm alarm(*timeout);
  return check::gather(api,
                       {.operator_ns = options.operator_ns,
                        .ns = options.ns,
                        .server = config->server,
                        .timeout = *timeout,
                        .sidecars_only = sidecars_only},
                       alarm.token());
}

int run_check(const ClusterOptions& options, Streams& io) {
  const auto world = look(options, false);
  if (!world) {
    io.err << world.error().message << "\n";
    return kFailed;
  }
  const auto findings = check::examine(*world);
  io.out << (options.output == "json" ? check::findings_json(*world, findings) : check::findings_table(findings));
  io.err << check::summary(*world, findings);
  const bool failed = !findings.empty() && findings.front().severity == check::Severity::Error;
  return failed ? kFailed : kOk;
}

int run_status(const ClusterOptions& options, Streams& io) {
  const auto world = look(options, true);
  if (!world) {
    io.err << world.error().message << "\n";
    return kFailed;
  }
  const auto sidecars = check::sidecars_of(*world);
  io.out << (options.output == "json" ? check::sidecars_json(*world, sidecars)
                                      : check::sidecars_table(*world, sidecars));
  check::Findings findings;
  check::examine_reads(*world, findings);
  check::examine_fleet_page(*world, findings);
  const auto problems = std::move(findings).sorted();
  for (const auto& problem : problems) {
    io.err << problem.found << ". " << problem.remedy() << " See " << problem.link() << "\n";
  }
  if (sidecars.empty() && world->pods.read) {
    io.err << "no pod " << (options.ns.empty() ? "" : "of namespace " + options.ns + " ")
           << "that runs has the label meshauth.dev/workload\n";
  }
  return problems.empty() ? kOk : kFailed;
}

}  // namespace

void add_check(Program& program) {
  auto options = std::make_shared<ClusterOptions>();
  Command command = program.command("check", "what is wrong with the mesh of a cluster, and what to do about it");
  add_options(command, *options);
  command.on([options](Streams& io) { return run_check(*options, io); });
}

void add_status(Program& program) {
  auto options = std::make_shared<ClusterOptions>();
  Command command = program.command("status", "every sidecar of a cluster with its revision, age and state");
  add_options(command, *options);
  command.on([options](Streams& io) { return run_status(*options, io); });
}

}  // namespace meshauth::cli
