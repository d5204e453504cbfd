#include "cli/resources.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "core/base/text.h"
#include "operator/files/manifest.h"

namespace meshauth::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMostFiles = 4096;

std::string text_at(const json& object, const char* name, const std::string& otherwise) {
  const auto at = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && at != object.end() && at->is_string() ? at->get<std::string>() : otherwise;
}

json member(const json& object, const char* name) {
  const auto at = object.find(name);
  return at == object.end() ? json() : *at;
}

class Reader {
 public:
  void read_file(const std::string& file, Streams& io) {
    const auto text = read_input(file, kManifestBytes, io);
    if (!text) throw UsageError{"-f " + text.error().message};
    const auto objects = files::parse_manifests(*text, file == "-" ? "the standard input" : file);
    if (!objects) {
      out_.faults.push_back(objects.error().message);
      return;
    }
    for (const json& object : *objects) read_object(file, object);
  }

  Resources take() {
    std::sort(out_.policies.begin(), out_.policies.end(),
              [](const auto& a, const auto& b) { return a.meta.id() < b.meta.id(); });
    return std::move(out_);
  }

 private:
  void read_object(const std::string& file, const json& object) {
    const std::string version = text_at(object, "apiVersion", ""), kind = text_at(object, "kind", "");
    const json metadata = member(object, "metadata");
    const std::string name = text_at(metadata, "name", ""), ns = text_at(metadata, "namespace", "default");
    if (version == "v1" && kind == "Namespace") return read_namespace(name, member(metadata, "labels"));
    if (version.empty() || kind.empty()) {
      out_.faults.push_back(fmt::format("{}: an object has no apiVersion or no kind", file));
      return;
    }
    if (!version.starts_with("meshauth.dev/")) return;  // others' resources
    const std::string label = fmt::format("{} {}/{}", kind, ns, name);
    if (const auto [at, fresh] = out_.files.emplace(label, file); !fresh) {
      out_.faults.push_back(fmt::format("{}: {} stands in {} too; keep one", file, label, at->second));
      return;
    }
    if (kind == "AccessPolicy") {
      hold(file, label, model::parse_access_policy(object),
           [&](plan::HeldPolicy held) { out_.policies.push_back(std::move(held)); });
    } else if (kind == "IdentityProvider") {
      hold(file, label, model::parse_identity_provider(object),
           [&](plan::HeldProvider held) { out_.providers[held.meta.id()] = std::move(held); });
    } else {
      out_.faults.push_back(
          fmt::format("{}: kind {} is not known in meshauth.dev; known are AccessPolicy and IdentityProvider", file,
                      in_quotes(kind)));
    }
  }

  template <class T, class Keep>
  void hold(const std::string& file, const std::string& label, tl::expected<T, model::FieldErrors> parsed, Keep keep) {
    if (!parsed) {
      for (const auto& fault : parsed.error()) {
        out_.faults.push_back(fmt::format("{}: {}: {}: {}", file, label, fault.field, fault.message));
      }
      return;
    }
    plan::Held<T> held;
    held.meta = parsed->meta;
    held.value = std::make_shared<const T>(std::move(*parsed));
    keep(std::move(held));
  }

  void read_namespace(const std::string& name, const json& labels) {
    auto& out = out_.namespaces[name];
    if (!labels.is_object()) return;
    for (const auto& [key, value] : labels.items()) {
      if (value.is_string()) out[key] = value.get<std::string>();
    }
  }

  Resources out_;
};

}  // namespace

std::vector<std::string> manifest_files(const std::string& path) {
  std::error_code error;
  if (path == "-" || !fs::is_directory(path, error)) return {path};
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string extension = entry.path().extension().string();
    const bool manifest = extension == ".yaml" || extension == ".yml" || extension == ".json";
    if (!manifest || entry.path().filename().string().starts_with('.')) continue;
    out.push_back(entry.path().string());
    if (out.size() > kMostFiles)
      throw UsageError{fmt::format("-f {}: more than {} manifests", in_quotes(path), kMostFiles)};
  }
  if (error) throw UsageError{fmt::format("-f {}: {}", in_quotes(path), error.message())};
  if (out.empty())
    throw UsageError{fmt::format("-f {}: the folder holds no manifest (*.yaml, *.yml, *.json)", in_quotes(path))};
  std::sort(out.begin(), out.end());
  return out;
}

plan::MeshSettings ResourceOptions::mesh() const {
  plan::MeshSettings out;
  out.root_namespace = root_namespace;
  out.default_action = default_action == "Allow" ? model::Action::Allow : model::Action::Deny;
  return out;
}

void add_resource_options(Command& app, ResourceOptions& options, bool many) {
  Option files =
      app.option("-f,--file", options.paths, "a manifest, a folder of manifests, or - ; repeat it for several")
          .required();
  if (!many) files.one_at_a_time();
  app.option("--root-namespace", options.root_namespace, "where mesh-wide policies live").with_default();
  app.option("--default-action", options.default_action, "for a workload that no policy selects: Deny or Allow")
      .one_of({"Deny", "Allow"})
      .with_default();
}

Resources read_resources(const ResourceOptions& options, Streams& io) {
  Reader reader;
  for (const std::string& path : options.paths) {
    for (const std::string& file : manifest_files(path)) reader.read_file(file, io);
  }
  Resources out = reader.take();
  for (const auto& held : out.policies) {
    const auto error = plan::root_namespace_error(*held.value, options.root_namespace);
    if (!error) continue;
    const std::string label = "AccessPolicy " + held.meta.id();
    out.faults.push_back(fmt::format("{}: {}: {}: {}", out.files[label], label, error->field, error->message));
  }
  return out;
}

bool print_faults(const Resources& resources, Streams& io) {
  for (const std::string& fault : resources.faults) io.err << fault << '\n';
  return !resources.faults.empty();
}

}  // namespace meshauth::cli
