#include "operator/app/standalone.h"

#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/base64.h"
#include "operator/app/folder_recorder.h"
#include "operator/app/health.h"
#include "operator/app/runtime.h"
#include "operator/files/file.h"
#include "operator/files/folder.h"

#include <openssl/rand.h>

namespace meshauth::app {
namespace {

constexpr std::size_t kMaxSmallFile = 64 * 1024;
constexpr std::chrono::hours kAuthorityLifetime{24 * 365 * 10};  // nobody replaces it here

/// The keys of an earlier start, or new ones.
Result<MeshKeys> keys_in(const std::string& folder, std::chrono::seconds authority_lifetime) {
  std::error_code error;
  std::map<std::string, std::string> files;
  for (const char* name : {"signing.key", "ca.crt", "ca.key"}) {
    const std::string path = folder + "/" + name;
    if (!std::filesystem::exists(path, error)) continue;
    auto text = files::read_file(path, kMaxSmallFile);
    if (!text) return tl::unexpected(text.error());
    files[name] = std::move(*text);
  }
  if (!files.empty()) return MeshKeys::from_files(files);
  auto keys = MeshKeys::make(std::chrono::floor<Seconds>(std::chrono::system_clock::now()), authority_lifetime);
  if (!keys) return keys;
  for (const auto& [name, content] : keys->to_files()) {
    if (auto written = files::write_file(folder + "/" + name, content, 0600); !written) {
      return tl::unexpected(written.error());
    }
  }
  return keys;
}

/// One more than the term of the start before.
Result<std::uint64_t> next_term(const std::string& file, std::uint64_t least) {
  std::uint64_t term = 0;
  std::error_code error;
  if (std::filesystem::exists(file, error)) {
    const auto text = files::read_file(file, 64);
    if (!text) return tl::unexpected(text.error());
    const auto [end, fault] = std::from_chars(text->data(), text->data() + text->size(), term);
    if (fault != std::errc() || (end != text->data() + text->size() && *end != '\n')) {
      return fail(
          "{} holds no number: it counts the starts, so that no agent takes an older bundle; write one that is "
          "larger than any before, or use --min-term",
          file);
    }
  }
  term = std::max(term + 1, least);
  if (auto written = files::write_file(file, std::to_string(term) + "\n"); !written)
    return tl::unexpected(written.error());
  return term;
}

Result<std::string> token_file(const Options& options) {
  if (!options.token_file.empty()) return options.token_file;
  const std::string path = options.output + "/private/token";
  std::error_code error;
  if (std::filesystem::exists(path, error)) return path;
  std::string random(32, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), static_cast<int>(random.size())) != 1) {
    return fail("no random bytes to be had");
  }
  if (auto written = files::write_file(path, base64url_encode(random) + "\n", 0600); !written) {
    return tl::unexpected(written.error());
  }
  return path;
}

/// Tells the index what a manifest says; other kinds are passed over.
controllers::Keys put(controllers::Index& index, const nlohmann::json& object) {
  const std::string kind = object.value("kind", "");
  if (kind == "AccessPolicy") return index.put_policy(object);
  if (kind == "IdentityProvider") return index.put_provider(object);
  if (kind == "Namespace") {
    const auto& metadata = object.at("metadata");
    std::map<std::string, std::string> labels;
    if (metadata.contains("labels") && metadata["labels"].is_object()) {
      for (const auto& [key, value] : metadata["labels"].items()) {
        if (value.is_string()) labels[key] = value.get<std::string>();
      }
    }
    return index.put_namespace(metadata.value("name", ""), std::move(labels));
  }
  log::warning("manifest passed over",
               {{"object", kind}, {"message", "only IdentityProvider, AccessPolicy and Namespace count here"}});
  return {};
}

controllers::Keys remove(controllers::Index& index, const std::string& kind, const std::string& id) {
  if (kind == "AccessPolicy") return index.remove_policy(id);
  if (kind == "IdentityProvider") return index.remove_provider(id);
  if (kind == "Namespace") return index.remove_namespace(id.substr(1));
  return {};
}

/// An agent that streams is what a pod is in a cluster.
fleet::FleetHandlers fleet_handlers(controllers::Index& index, controllers::Controllers*& controllers) {
  return {.on_ack = [&](const fleet::SidecarAck& ack) { controllers->on_ack(ack.workload, ack.pod, ack.ack); },
          .on_report =
              [&](const fleet::SidecarReport& report) {
                controllers->on_report(report.workload, report.pod, report.report);
              },
          .on_connect =
              [&](const std::string& pod, const std::string& workload) {
                controllers->enqueue(index.put_pod({pod, pod, workload, "", false}));
                controllers->on_connect(workload, pod);
              },
          .on_disconnect =
              [&](const std::string& pod, const std::string& workload) {
                controllers->on_pod_gone(workload, pod);
                controllers->enqueue(index.remove_pod(pod));
              }};
}

}  // namespace

Status run_standalone(const Options& options, const std::stop_token& stop) {
  const auto mesh = mesh_settings(options);
  if (!mesh) return tl::unexpected(mesh.error());
  auto keys = keys_in(options.output + "/private", kAuthorityLifetime);
  if (!keys) return tl::unexpected(keys.error());
  const auto token = token_file(options);
  if (!token) return tl::unexpected(token.error());
  const auto term = next_term(options.output + "/term", options.min_term);
  if (!term) return tl::unexpected(term.error());
  if (auto trusted = files::write_file(options.output + "/trust.json", keys->trust().to_json()); !trusted)
    return trusted;

  http::Metrics metrics;
  FleetPage fleet_page;
  controllers::Index index(*mesh);
  controllers::Controllers* controllers = nullptr;
  FolderRecorder recorder(options.output, [&](const auto& workload, const auto& revision, const Status& outcome) {
    controllers->on_recorded(workload, revision, outcome);
  });
  auto fleet = start_fleet(options, *keys, std::make_shared<fleet::FileAuthenticator>(*token),
                           fleet_handlers(index, controllers), metrics, fleet_page);
  if (!fleet) return tl::unexpected(fleet.error());
  const auto runtime =
      Runtime::make(options, *keys, *term, index, recorder, {std::move(*fleet), {}, fleet_page}, metrics);
  controllers = &runtime->controllers();

  recorder.restore(*controllers);
  files::Folder folder(options.source,
                       {[&](const auto& object) { controllers->enqueue(put(index, object)); },
                        [&](const auto& kind, const auto& id) { controllers->enqueue(remove(index, kind, id)); },
                        [](const auto& file, const auto& message) {
                          log::error("manifest refused", {{"object", file}, {"message", message}});
                        }});
  if (auto opened = folder.open(); !opened) return opened;
  runtime->lead();
  fleet_page.show([controllers] { return controllers->fleet_state(); });
  auto health = start_health(options.metrics_listen, metrics, fleet_page, [] { return std::string(); });
  if (!health) return tl::unexpected(health.error());
  log::info("operator runs",
            {{"source", options.source}, {"output", options.output}, {"fleet", options.fleet_listen}, {"term", *term}});
  folder.watch(stop);
  return {};
}

}  // namespace meshauth::app
