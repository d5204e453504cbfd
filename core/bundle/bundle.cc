#include "core/bundle/bundle.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/base64.h"
#include "core/base/digest.h"
#include "core/base/json_doc.h"
#include "core/base/text.h"

namespace meshauth::bundle {
namespace {

constexpr std::size_t kMaxManifestBytes = 16 * 1024;

std::string manifest_text(const Manifest& manifest) {
  nlohmann::json out;
  out["formatVersion"] = manifest.format_version;
  out["workload"] = manifest.workload;
  out["revision"] = manifest.revision;
  out["epoch"] = {{"term", manifest.epoch.term}, {"sequence", manifest.epoch.sequence}};
  out["files"] = nlohmann::json::array();
  for (const FileEntry& file : manifest.files) {
    out["files"].push_back({{"name", file.name}, {"size", file.size}, {"sha256", file.sha256}});
  }
  return out.dump();
}

bool is_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<FileEntry> read_entry(simdjson::dom::element item) {
  std::string_view name, digest;
  std::uint64_t size = 0;
  if (item["name"].get(name) != simdjson::SUCCESS || item["sha256"].get(digest) != simdjson::SUCCESS ||
      item["size"].get(size) != simdjson::SUCCESS || !is_digest(digest)) {
    return fail("manifest.json: an entry of files has no name, size and sha256");
  }
  // The name becomes part of a file path: only names that we know.
  if (std::find(std::begin(kFiles), std::end(kFiles), name) == std::end(kFiles)) {
    return fail("manifest.json names the file {}, which is no file of a bundle", in_quotes(name));
  }
  return FileEntry{std::string(name), size, std::string(digest)};
}

Result<Manifest> read_manifest(std::string_view json) {
  const auto doc = JsonDoc::parse(json, {.bytes = kMaxManifestBytes});
  if (!doc) return fail("manifest.json is refused: {}", json_fault(doc.error()));
  const auto root = doc->root();
  std::int64_t version = 0;
  if (root["formatVersion"].get(version) != simdjson::SUCCESS) return fail("manifest.json has no formatVersion");
  if (version != kFormatVersion) {
    return fail("the bundle has format version {}; this program reads version {} and keeps what it has", version,
                kFormatVersion);
  }
  Manifest manifest;
  std::string_view workload, revision;
  simdjson::dom::array files;
  if (root["workload"].get(workload) != simdjson::SUCCESS || root["revision"].get(revision) != simdjson::SUCCESS ||
      root["epoch"]["term"].get(manifest.epoch.term) != simdjson::SUCCESS ||
      root["epoch"]["sequence"].get(manifest.epoch.sequence) != simdjson::SUCCESS ||
      root["files"].get(files) != simdjson::SUCCESS || !is_digest(revision)) {
    return fail("manifest.json must have workload, revision, epoch {{term, sequence}} and files");
  }
  manifest.workload = workload;
  manifest.revision = revision;
  for (const auto item : files) {
    auto entry = read_entry(item);
    if (!entry) return tl::unexpected(entry.error());
    manifest.files.push_back(std::move(*entry));
    if (manifest.files.size() > std::size(kFiles)) break;
  }
  if (manifest.files.size() != std::size(kFiles)) {
    return fail("manifest.json lists {} files; a bundle has {}", manifest.files.size(), std::size(kFiles));
  }
  return manifest;
}

}  // namespace

std::string auth_conf_digest(std::string_view auth_conf) {
  std::string directives;
  for (const std::string_view line : split(auth_conf, '\n')) {
    const auto first = line.find_first_not_of(" \t\r");
    if (first != std::string_view::npos && line[first] != '#') directives.append(line).append("\n");
  }
  return sha256_hex(directives);
}

std::string revision_of(const Files& files) {
  std::string lines;
  for (const std::string_view name : kFiles) {
    const auto file = files.find(std::string(name));
    const std::string_view content = file == files.end() ? std::string_view() : std::string_view(file->second);
    lines += name;
    lines += '\0';
    lines += std::to_string(content.size());
    lines += '\0';
    lines += sha256_hex(content);
    lines += '\n';
  }
  return sha256_hex(lines);
}

Result<Bundle> make_bundle(Files files, std::string workload, Epoch epoch, const SigningKey& key) {
  Bundle bundle;
  std::size_t total = 0;
  for (const std::string_view name : kFiles) {
    const auto file = files.find(std::string(name));
    if (file == files.end()) return fail("a bundle needs the file {}", name);
    total += file->second.size();
    bundle.manifest.files.push_back({file->first, file->second.size(), sha256_hex(file->second)});
  }
  if (files.size() != std::size(kFiles)) return fail("a bundle has exactly {} files", std::size(kFiles));
  if (total > kMaxBundleBytes) {
    return fail("the bundle would have {} bytes; at most {} fit into a ConfigMap: use fewer or smaller policies", total,
                kMaxBundleBytes);
  }
  bundle.manifest.workload = std::move(workload);
  bundle.manifest.revision = revision_of(files);
  bundle.manifest.epoch = epoch;
  bundle.manifest_json = manifest_text(bundle.manifest);
  bundle.signature = base64_encode(key.sign(bundle.manifest_json));
  bundle.files = std::move(files);
  return bundle;
}

Bundle sign_anew(Bundle bundle, const SigningKey& key) {
  bundle.signature = base64_encode(key.sign(bundle.manifest_json));
  return bundle;
}

std::optional<std::string> signer_of(const Bundle& bundle, const Trust& trust) {
  const auto raw = bundle.signature.size() <= kMaxSignatureText ? base64_decode(bundle.signature) : std::nullopt;
  return raw ? trust.signer(bundle.manifest_json, *raw) : std::nullopt;
}

Result<Manifest> open_manifest(std::string_view manifest_json, std::string_view signature, const Trust& trust,
                               std::string_view workload) {
  if (manifest_json.size() > kMaxManifestBytes) {
    return fail("manifest.json has {} bytes; at most {}", manifest_json.size(), kMaxManifestBytes);
  }
  const auto raw = signature.size() <= kMaxSignatureText ? base64_decode(signature) : std::nullopt;
  if (!raw || !trust.verifies(manifest_json, *raw)) {
    return fail("manifest.json is not signed by a trusted key: it was changed, or another operator made it");
  }
  auto manifest = read_manifest(manifest_json);
  if (manifest && manifest->workload != workload) {
    return fail("the bundle is for workload {}, not for {}", in_quotes(manifest->workload), workload);
  }
  return manifest;
}

Status check_files(const Manifest& manifest, const Files& files) {
  if (files.size() != manifest.files.size()) {
    return fail("the bundle has {} files; its manifest lists {}", files.size(), manifest.files.size());
  }
  for (const FileEntry& entry : manifest.files) {
    const auto file = files.find(entry.name);
    if (file == files.end()) return fail("the bundle lacks {}", entry.name);
    if (file->second.size() != entry.size) {
      return fail("{} has {} bytes; the manifest says {}", entry.name, file->second.size(), entry.size);
    }
    if (sha256_hex(file->second) != entry.sha256)
      return fail("{} does not have the digest of the manifest", entry.name);
  }
  if (revision_of(files) != manifest.revision) return fail("the files do not make the revision of the manifest");
  return {};
}

Result<Bundle> open_bundle(std::string manifest_json, std::string signature, Files files, const Trust& trust,
                           std::string_view workload) {
  auto manifest = open_manifest(manifest_json, signature, trust, workload);
  if (!manifest) return tl::unexpected(manifest.error());
  if (auto checked = check_files(*manifest, files); !checked) return tl::unexpected(checked.error());
  return Bundle{std::move(*manifest), std::move(manifest_json), std::move(signature), std::move(files)};
}

}  // namespace meshauth::bundle
