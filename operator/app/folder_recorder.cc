#include "operator/app/folder_recorder.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "operator/controllers/controllers.h"
#include "operator/files/file.h"
#include "operator/log/log.h"

namespace meshauth::app {
namespace {

namespace fs = std::filesystem;
using controllers::Kind;

constexpr std::size_t kMaxRecordFile = 4 * 1024 * 1024;

std::string_view kind_name(Kind kind) {
  return kind == Kind::Policy ? "accesspolicy" : "identityprovider";
}

}  // namespace

std::map<std::string, std::string> record_files(const controllers::Record& record) {
  auto files = record.bundle->files;
  files["manifest.json"] = record.bundle->manifest_json;
  files["manifest.json.sig"] = record.bundle->signature;
  if (!record.fresh_json.empty()) {
    files["fresh.json"] = record.fresh_json;
    files["fresh.json.sig"] = record.fresh_signature;
  }
  return files;
}

void FolderRecorder::record(const std::string& workload, controllers::Record record) {
  const Status written = files::write_volume(folder_ + "/bundles/" + workload, record_files(record));
  const std::string revision = record.bundle->manifest.revision;
  if (written) {
    const std::lock_guard lock(mutex_);
    signatures_[workload] = record.bundle->signature;
  } else {
    log::error("record not written", {{"object", workload}, {"error", written.error()}});
  }
  done_(workload, revision, written);
}

void FolderRecorder::erase_record(const std::string& workload) {
  std::error_code error;
  fs::remove_all(folder_ + "/bundles/" + workload, error);
  const std::lock_guard lock(mutex_);
  signatures_.erase(workload);
}

bool FolderRecorder::record_holds(const std::string& workload, const bundle::Bundle& bundle) const {
  const std::lock_guard lock(mutex_);
  const auto it = signatures_.find(workload);
  return it != signatures_.end() && it->second == bundle.signature;
}

Status FolderRecorder::record_keys(const std::string& source, const std::string& json) {
  return files::write_file(folder_ + "/keys/" + source + ".json", json);
}

Status FolderRecorder::erase_keys(const std::string& source) {
  std::error_code error;
  fs::remove(folder_ + "/keys/" + source + ".json", error);
  if (error) return fail("keys of source {} cannot be removed: {}", source, error.message());
  return {};
}

void FolderRecorder::write_status(Kind kind, const std::string& id, const nlohmann::json& status) {
  if (const auto news = news_.look(std::string(kind_name(kind)) + "/" + id, status)) {
    const log::Fields fields{{"object", news->object}, {"reason", news->reason}, {"message", news->message}};
    news->good ? log::info("ready", fields) : log::warning("not ready", fields);
  }
  const std::string file = folder_ + "/status/" + std::string(kind_name(kind)) + "/" + id + ".json";
  if (auto written = files::write_file(file, status.dump(2) + "\n"); !written) {
    log::warning("status not written", {{"object", id}, {"error", written.error()}});
  }
}

void FolderRecorder::restore(controllers::Controllers& controllers) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_ + "/keys", error)) {
    const auto text = files::read_file(entry.path(), kMaxRecordFile);
    auto history = text ? plan::history_from_json(*text) : tl::unexpected(text.error());
    if (history) {
      controllers.restore_keys(entry.path().stem(), std::move(*history));
    } else {
      log::warning("key record passed over", {{"object", entry.path().string()}, {"error", history.error()}});
    }
  }
  // A manifest has no status that would say where counting ended.
  for (const auto& ns : fs::directory_iterator(folder_ + "/status/" + std::string(kind_name(Kind::Policy)), error)) {
    for (const auto& entry : fs::directory_iterator(ns.path(), error)) {
      const auto status = nlohmann::json::parse(files::read_file(entry.path(), kMaxRecordFile).value_or(""), nullptr,
                                                /*allow_exceptions=*/false);
      controllers.restore_audit(ns.path().filename().string() + "/" + entry.path().stem().string(), status);
    }
  }
  for (const auto& ns : fs::directory_iterator(folder_ + "/bundles", error)) {
    for (const auto& workload : fs::directory_iterator(ns.path(), error)) {
      const auto read = [&](const std::string& name) {
        return files::read_file(workload.path() / name, kMaxRecordFile).value_or("");
      };
      bundle::Files files;
      for (const std::string_view name : bundle::kFiles) files[std::string(name)] = read(std::string(name));
      controllers.adopt(ns.path().filename().string() + "/" + workload.path().filename().string(),
                        read("manifest.json"), read("manifest.json.sig"), std::move(files));
    }
  }
}

}  // namespace meshauth::app
