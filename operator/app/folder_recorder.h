// Standalone: records and statuses as files below one folder.
//
//   bundles/NAMESPACE/WORKLOAD/   the bundle's files, laid out as kubelet lays out a ConfigMap volume
//   keys/SOURCE.json              the keys of one source, with their times
//   status/KIND/NAMESPACE/NAME.json
//   trust.json                    what agents are given as --trust
//   private/                      signing key, authority, shared token: mode 0600
//   term                          raised at each start
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "operator/app/ready_news.h"
#include "operator/controllers/recorder.h"

namespace meshauth::controllers {
class Controllers;
}

namespace meshauth::app {

class FolderRecorder final : public controllers::Recorder {
 public:
  FolderRecorder(std::string folder, Done done) : folder_(std::move(folder)), done_(std::move(done)) {}

  void record(const std::string& workload, controllers::Record record) override;
  void erase_record(const std::string& workload) override;
  bool record_holds(const std::string& workload, const bundle::Bundle& bundle) const override;
  void touch(const std::string&, const std::string&) override {}  // files are seen at once
  Status record_keys(const std::string& source, const std::string& json) override;
  Status erase_keys(const std::string& source) override;
  void write_status(controllers::Kind kind, const std::string& id, const nlohmann::json& status) override;
  void keep_status(controllers::Kind, const std::string&) override {}

  /// Gives back what an earlier run recorded.
  void restore(controllers::Controllers& controllers);

 private:
  const std::string folder_;
  const Done done_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> signatures_;  // guarded by mutex_; of the manifests that were written in this run
  ReadyNews news_;
};

/// The files of a record: the bundle's, manifest.json, manifest.json.sig, fresh.json, fresh.json.sig.
std::map<std::string, std::string> record_files(const controllers::Record& record);

}  // namespace meshauth::app
