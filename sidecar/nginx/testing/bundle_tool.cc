// mesh-auth-bundle-tool: makes what the operator and the agent make, for the tests of the nginx module.
//   keys FOLDER                     signing.pem and trust.json
//   bundle FOLDER ... RESOURCE...   FOLDER/revisions/<revision>, FOLDER/current; prints the revision
//   fresh FOLDER --source ID=UNIX   FOLDER/fresh.json and its signature
// Resources are single JSON objects as the API has them; providers have inline keys, or --keys ID=FILE.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/base64.h"
#include "core/bundle/bundle.h"
#include "core/bundle/documents.h"
#include "core/bundle/keys.h"
#include "core/model/access_policy.h"
#include "core/model/identity_provider.h"
#include "core/policy/compiled_policy.h"

namespace fs = std::filesystem;
using namespace meshauth;

namespace {

[[noreturn]] void die(const std::string& what) {
  std::cerr << "mesh-auth-bundle-tool: " << what << "\n";
  std::exit(1);
}

template <class T>
T need(Result<T> result) {
  if (!result) die(result.error().message);
  return std::move(*result);
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) die(path.string() + " cannot be read");
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const fs::path& path, const std::string& content) {
  const fs::path next = path.string() + ".next";
  std::ofstream(next, std::ios::binary) << content;
  fs::rename(next, path);
}

struct Input {
  bundle::JwksFile keys;
  std::vector<model::AccessPolicy> policies;
};

std::map<std::string, std::string> key_files;  // by key source: --keys

void add_provider(Input& input, const nlohmann::json& object, const std::string& file) {
  auto provider = model::parse_identity_provider(object);
  if (!provider) die(file + ": " + model::to_message(provider.error()));
  const std::string& source = provider->settings.key_source;
  std::string jwks;
  if (const auto* given = std::get_if<model::InlineJwks>(&provider->keys)) jwks = given->jwks;
  if (const auto named = key_files.find(source); named != key_files.end()) jwks = read_file(named->second);
  if (jwks.empty()) die(file + ": no keys for source " + source);
  input.keys.sources[source] = need(jose::parse_key_set(jwks));
  input.keys.providers.push_back(std::move(provider->settings));
}

Input read_resources(const std::vector<std::string>& files) {
  Input input;
  for (const std::string& file : files) {
    const auto object = nlohmann::json::parse(read_file(file));
    if (object.value("kind", "") == "IdentityProvider") {
      add_provider(input, object, file);
      continue;
    }
    auto policy = model::parse_access_policy(object);
    if (!policy) die(file + ": " + model::to_message(policy.error()));
    input.policies.push_back(std::move(*policy));
  }
  return input;
}

bundle::Files files_of(const Input& input, const std::string& auth_conf) {
  std::vector<const model::AccessPolicy*> policies;
  std::set<std::string> known, unresolved;
  for (const auto& provider : input.keys.providers) known.insert(provider.id);
  for (const auto& policy : input.policies) {
    policies.push_back(&policy);
    for (const auto& rule : policy.rules) {
      for (const auto& from : rule.from) {
        if (from.provider && !known.contains(from.provider->id())) unresolved.insert(from.provider->id());
      }
    }
  }
  return {{"auth.conf", auth_conf},
          {"jwks.json", bundle::write_jwks(input.keys)},
          {"policy.json", policy::to_json(policy::compile(policies, unresolved, model::Action::Deny))}};
}

void write_bundle(const fs::path& folder, const bundle::Bundle& bundle) {
  const fs::path revision = folder / "revisions" / bundle.manifest.revision;
  fs::create_directories(revision);
  for (const auto& [name, content] : bundle.files) write_file(revision / name, content);
  write_file(revision / "manifest.json.sig", bundle.signature);
  write_file(revision / "manifest.json", bundle.manifest_json);
  fs::remove(folder / "current.next");
  fs::create_symlink("revisions/" + bundle.manifest.revision, folder / "current.next");
  fs::rename(folder / "current.next", folder / "current");
}

std::pair<std::string, std::string> split_pair(const std::string& text) {
  const auto at = text.rfind('=');
  if (at == std::string::npos) die(text + " is not ID=VALUE");
  return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("makes bundles for the tests of the nginx module");
  app.require_subcommand(1);
  std::string folder, key_file, workload = "shop/orders", auth_conf;
  std::uint64_t sequence = 1;
  std::vector<std::string> resources, pairs;

  auto* keys = app.add_subcommand("keys");
  keys->add_option("folder", folder)->required();
  auto* make = app.add_subcommand("bundle");
  make->add_option("folder", folder)->required();
  make->add_option("--key", key_file)->required();
  make->add_option("--workload", workload);
  make->add_option("--auth-conf", auth_conf);
  make->add_option("--sequence", sequence);
  make->add_option("--keys", pairs);
  make->add_option("--resource", resources);
  auto* fresh = app.add_subcommand("fresh");
  fresh->add_option("folder", folder)->required();
  fresh->add_option("--key", key_file)->required();
  fresh->add_option("--source", pairs)->required();
  CLI11_PARSE(app, argc, argv);

  if (*keys) {
    const auto key = bundle::SigningKey::generate();
    write_file(fs::path(folder) / "signing.pem", key.to_pem());
    write_file(fs::path(folder) / "trust.json", bundle::Trust{{key.public_key()}, {}}.to_json());
    return 0;
  }
  const auto key = need(bundle::SigningKey::from_pem(read_file(key_file)));
  if (*make) {
    for (const std::string& pair : pairs) key_files.insert(split_pair(pair));
    const std::string conf = auth_conf.empty() ? "" : read_file(auth_conf);
    const auto made =
        need(bundle::make_bundle(files_of(read_resources(resources), conf), workload, {1, sequence}, key));
    write_bundle(folder, made);
    std::cout << made.manifest.revision << "\n";
    return 0;
  }
  bundle::Fresh times;
  for (const std::string& pair : pairs) {
    const auto [source, time] = split_pair(pair);
    times.sources[source] = std::stoll(time);
  }
  write_file(fs::path(folder) / "fresh.json.sig", base64_encode(key.sign(times.to_json())));
  write_file(fs::path(folder) / "fresh.json", times.to_json());
}
