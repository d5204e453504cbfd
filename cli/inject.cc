// meshauthctl inject: workloads with their sidecar, offline; the rest of the files as it stands there.
#include <map>
#include <memory>
#include <ostream>

#include "cli/commands.h"
#include "cli/resources.h"
#include "core/base/text.h"
#include "core/inject/services.h"
#include "operator/files/manifest.h"
#include "operator/files/yaml_text.h"

namespace meshauth::cli {
namespace {

using nlohmann::json;

struct InjectOptions {
  std::vector<std::string> paths;
  std::string ns;
  std::string image = "nginx-mesh-auth/sidecar:" MESH_AUTH_VERSION;
  std::string pull_policy = "IfNotPresent";
  std::string operator_url = inject::Settings{}.operator_url;
  std::string resources;
  std::string native = "on";
  bool no_network_policy = false;
};

/// One document of a file: its own text, and the objects in it.
struct Document {
  std::string file, text;
  std::vector<json> objects;
};

std::string name_of(const json& object, const char* field) {
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return "";
  const auto at = metadata->find(field);
  return at != metadata->end() && at->is_string() ? at->get<std::string>() : "";
}

/// Where in an object of that kind the pod is; nullopt for what holds none.
std::optional<json::json_pointer> pod_in(const json& object) {
  const auto version = object.find("apiVersion"), kind = object.find("kind");
  if (version == object.end() || kind == object.end() || !version->is_string() || !kind->is_string()) return {};
  const std::string group = version->get<std::string>().substr(0, version->get<std::string>().find('/'));
  const auto name = kind->get<std::string>();
  if (*version == "v1" && name == "Pod") return json::json_pointer("");
  const bool apps = name == "Deployment" || name == "StatefulSet" || name == "DaemonSet" || name == "ReplicaSet";
  if ((group == "apps" && apps) || (group == "batch" && name == "Job")) return json::json_pointer("/spec/template");
  if (group == "batch" && name == "CronJob") return json::json_pointer("/spec/jobTemplate/spec/template");
  return {};
}

class Injector {
 public:
  Injector(const InjectOptions& options, inject::Settings settings)
      : options_(options), settings_(std::move(settings)) {}

  void read(const std::string& file, const std::string& text) {
    for (const auto& part : files::split_documents(text)) {
      // So that a fault names the line in the file.
      const std::string padded = std::string(part.line, '\n') + std::string(part.text);
      auto objects = files::parse_manifests(padded, file == "-" ? "the standard input" : file);
      if (!objects) {
        faults_.push_back(objects.error().message);
        continue;
      }
      for (const json& object : *objects) {
        take_namespace(object);
        if (object.value("kind", json()) == "Service" && object.value("apiVersion", json()) == "v1")
          services_.push_back(object);
      }
      documents_.push_back({file, std::string(part.text), std::move(*objects)});
    }
  }

  void run() {
    for (Document& document : documents_) {
      bool changed = false;
      std::vector<std::string> out;
      for (json& object : document.objects) changed |= take(document.file, object, out);
      if (changed) {
        parts_.insert(parts_.end(), out.begin(), out.end());
      } else if (!document.objects.empty()) {
        parts_.push_back(document.text);
      }
    }
    for (const json& service : services_) check_service(service);
  }

  const std::vector<std::string>& faults() const { return faults_; }
  /// Documents of the output, each without `---`.
  const std::vector<std::string>& parts() const { return parts_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  void take_namespace(const json& object) {
    if (object.value("kind", json()) != "Namespace" || object.value("apiVersion", json()) != "v1") return;
    const json metadata = object.value("metadata", json());
    const auto labels = metadata.is_object() ? metadata.value("labels", json()) : json();
    for (const auto& [name, value] : labels.items()) {
      if (value.is_string()) namespaces_[name_of(object, "name")][name] = value.get<std::string>();
    }
  }

  void check_service(const json& service) {
    const std::string own = name_of(service, "namespace"), ns = own.empty() ? options_.ns : own;
    for (const auto& [of, injection] : injected_) {
      if (of != ns) continue;
      for (const std::string& way : inject::ways_past(service, injection)) {
        notes_.push_back(fmt::format("warning: Service {}, workload {}: {}", in_quotes(name_of(service, "name")),
                                     injection.workload, way));
      }
    }
  }

  /// True if the object got a sidecar.
  bool take(const std::string& file, json& object, std::vector<std::string>& out) {
    const auto at = pod_in(object);
    const std::string where =
        fmt::format("{}: {} {}", file, object.value("kind", json()).dump(), in_quotes(name_of(object, "name")));
    if (!at || !object.contains(*at)) {
      if (at)
        faults_.push_back(
            fmt::format("{}: {}: missing; a pod's metadata and spec would be right", where, at->to_string()));
      out.push_back(files::to_yaml(object));
      return false;
    }
    const std::string own = name_of(object, "namespace"), ns = own.empty() ? options_.ns : own;
    const bool is_pod = at->empty();
    const auto labels = namespaces_.find(ns);
    const inject::Place place{ns, labels == namespaces_.end() ? std::map<std::string, std::string>() : labels->second,
                              true, is_pod ? "" : name_of(object, "name")};
    auto done = inject::inject(object.at(*at), place, settings_);
    if (!done) {
      faults_.push_back(fmt::format("{}: {}", where, done.error().message));
      return false;
    }
    if (done->injected) {
      injected_.emplace_back(ns, *done);
      object.at(*at) = done->pod;
      notes_.push_back(fmt::format("{}: workload {}", where, done->workload));
    }
    out.push_back(files::to_yaml(object));
    if (done->injected && !options_.no_network_policy) out.push_back(files::to_yaml(inject::network_policy(*done, ns)));
    return done->injected;
  }

  const InjectOptions& options_;
  const inject::Settings settings_;
  std::map<std::string, std::map<std::string, std::string>> namespaces_;
  std::vector<Document> documents_;
  std::vector<json> services_;
  std::vector<std::pair<std::string, inject::Injection>> injected_;  ///< by namespace
  std::vector<std::string> faults_, parts_, notes_;
};

inject::Settings settings_of(const InjectOptions& options) {
  inject::Settings settings;
  settings.image = options.image;
  settings.pull_policy = options.pull_policy;
  settings.operator_url = options.operator_url;
  settings.native_sidecars = options.native == "on";
  if (!options.resources.empty()) settings.resources = json::parse(options.resources, nullptr, false);
  if (settings.resources.is_discarded())
    throw UsageError{
        R"(--resources is no JSON; {"requests": {"cpu": "50m"}, "limits": {"memory": "256Mi"}} would be right)"};
  if (const auto checked = inject::check(settings); !checked) throw UsageError{checked.error().message};
  return settings;
}

int run_inject(const InjectOptions& options, Streams& io) {
  Injector injector(options, settings_of(options));
  for (const std::string& path : options.paths) {
    for (const std::string& file : manifest_files(path)) {
      const auto text = read_input(file, kManifestBytes, io);
      if (!text) throw UsageError{"-f " + text.error().message};
      injector.read(file, *text);
    }
  }
  injector.run();
  for (const std::string& fault : injector.faults()) io.err << fault << '\n';
  // Half of the files would be applied as if it were the whole.
  if (!injector.faults().empty()) return kFailed;
  for (const std::string& part : injector.parts()) {
    io.out << "---" << (part.starts_with('\n') || part.starts_with(' ') ? "" : "\n") << part
           << (part.ends_with('\n') ? "" : "\n");
  }
  for (const std::string& note : injector.notes()) io.err << note << '\n';
  return kOk;
}

}  // namespace

void add_inject(Program& program) {
  auto options = std::make_shared<InjectOptions>();
  Command app = program.command(
      "inject", "the manifests with a sidecar in every workload, and a NetworkPolicy for each, as YAML");
  app.option("-f,--file", options->paths, "files, folders, or - for the standard input").required();
  app.option("-n,--namespace", options->ns, "of objects that name none, for the NetworkPolicies; default: none");
  app.option("--image", options->image, "the sidecar's image").with_default();
  app.option("--pull-policy", options->pull_policy, "Always, IfNotPresent or Never").with_default();
  app.option("--operator", options->operator_url, "where sidecars reach the operator").with_default();
  app.option("--resources", options->resources, "the sidecar's requests and limits, as JSON");
  app.option("--native-sidecars", options->native, "on, or off for servers before 1.29")
      .one_of({"on", "off"})
      .with_default();
  app.flag("--no-network-policy", options->no_network_policy, "print no NetworkPolicies");
  app.on([options](Streams& io) { return run_inject(*options, io); });
}

}  // namespace meshauth::cli
