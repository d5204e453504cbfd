// meshauthctl render: what the operator would put into each workload's bundle, for a look or a diff before it is
// applied.
#include <algorithm>
#include <memory>
#include <ostream>
#include <set>

#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/question.h"
#include "core/base/text.h"
#include "core/bundle/bundle.h"
#include "operator/files/file.h"

namespace meshauth::cli {
namespace {

struct RenderOptions {
  ResourceOptions resources;
  std::string folder, templates, flavour = "Module";
  std::vector<std::string> keys;
};

/// NS/NAME=FILE, each for a provider among the resources.
Keys read_keys(const RenderOptions& options, const Resources& resources, Streams& io) {
  Keys keys;
  for (const std::string& text : options.keys) {
    const auto equals = text.find('=');
    const std::string provider = text.substr(0, equals);
    if (equals == std::string::npos) throw UsageError{"--jwks " + in_quotes(text) + " is not NAMESPACE/NAME=FILE"};
    if (resources.providers.count(provider) == 0)
      throw UsageError{"--jwks: provider " + in_quotes(provider) + " is not among the resources"};
    keys.of.insert_or_assign(provider, read_key_set(text.substr(equals + 1), io));
  }
  return keys;
}

/// A policy without a list selects whatever workloads its namespace has, which no manifest says.
std::set<std::string> named_workloads(const Resources& resources) {
  std::set<std::string> out;
  for (const auto& held : resources.policies) {
    if (!held.value->workloads) continue;
    for (const std::string& name : *held.value->workloads) out.insert(held.meta.ns + '/' + name);
  }
  return out;
}

void warn_of_missing_keys(const Resources& resources, const plan::WorkloadPlan& plan, const Keys& keys, Streams& io) {
  for (const std::string& id : plan.providers) {
    const auto at = resources.providers.find(id);
    if (at == resources.providers.end() || keys.of.count(id) != 0) continue;
    if (std::holds_alternative<model::InlineJwks>(at->second.value->keys)) continue;
    io.err << "warning: the keys of provider " << id << " are fetched by the operator; give --jwks " << id
           << "=FILE to have them here\n";
  }
}

Status write_files(const std::string& folder, const bundle::Files& files) {
  for (const auto& [name, content] : files) {
    if (auto written = files::write_file(fmt::format("{}/{}", folder, name), content); !written) return written;
  }
  return {};
}

std::string list(const std::vector<std::string>& words) {
  return words.empty() ? "none" : fmt::format("{}", fmt::join(words, " "));
}

std::string read_template(const RenderOptions& options, const std::string& name) {
  auto text = files::read_template(options.templates, name);
  if (!text) throw UsageError{text.error().message};
  return std::move(*text);
}

int run_render(const RenderOptions& options, Streams& io) {
  const Resources resources = read_resources(options.resources, io);
  if (print_faults(resources, io)) return kFailed;
  const Keys keys = read_keys(options, resources, io);
  const auto flavour = model::parse_flavour(options.flavour);
  if (!flavour)
    throw UsageError{"--flavour is " + in_quotes(options.flavour) + "; " + std::string(model::kFlavourNames)};
  plan::MeshSettings mesh = options.resources.mesh();
  mesh.auth_conf_template = read_template(options, "auth.conf.mustache");
  mesh.plus_templates = {read_template(options, "nginx-plus.http.conf.mustache"),
                         read_template(options, "nginx-plus.location.conf.mustache")};

  const auto workloads = named_workloads(resources);
  if (workloads.empty()) io.err << "no policy names a workload (spec.workloads), so there is none to render\n";
  for (const std::string& workload : workloads) {
    const auto plan = offline_plan(resources, mesh, workload, keys, *flavour);
    if (!plan || !plan->flavour_limit.empty()) {
      io.err << workload << ": " << (plan ? plan->flavour_limit : plan.error().message) << '\n';
      return kFailed;
    }
    warn_of_missing_keys(resources, *plan, keys, io);
    io.out << "# workload " << workload << '\n';
    if (*flavour != model::Flavour::NginxPlus) io.out << "# revision " << bundle::revision_of(plan->files) << '\n';
    io.out << "# policies " << list(plan->policies) << "\n# providers " << list(plan->providers) << '\n';
    if (!options.folder.empty()) {
      if (const auto written = write_files(options.folder + '/' + workload, plan->files); !written)
        throw UsageError{"-o: " + written.error().message};
      continue;
    }
    for (const auto& [name, content] : plan->files) {
      io.out << "## " << name << '\n' << content << (content.ends_with('\n') ? "" : "\n");
    }
  }
  return workloads.empty() ? kFailed : kOk;
}

}  // namespace

void add_render(Program& program) {
  auto options = std::make_shared<RenderOptions>();
  Command app =
      program.command("render", "what the operator would put into the bundle of each workload that a policy names");
  add_resource_options(app, options->resources, true);
  app.option("-o,--output", options->folder, "a folder: the files go to NAMESPACE/WORKLOAD/ below it");
  app.option("--jwks", options->keys, "NAMESPACE/NAME=FILE: a provider's keys; repeat it for several").one_at_a_time();
  app.option("--flavour", options->flavour, "Module, AuthRequest or NginxPlus: for which nginx; default: Module");
  app.option("--templates", options->templates, "the folder with auth.conf.mustache; default: where it is installed");
  app.on([options](Streams& io) { return run_render(*options, io); });
}

}  // namespace meshauth::cli
