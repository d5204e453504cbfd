// Carries out the rotation of the mesh's keys: looks at Secret mesh-auth-keys, decides (key_rotation.h), writes the
// Secret, and has everybody follow: trust, signatures, certificates.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "operator/app/injector.h"
#include "operator/app/key_metrics.h"
#include "operator/app/key_rotation.h"
#include "operator/app/kube_recorder.h"
#include "operator/app/options.h"
#include "operator/app/runtime.h"
#include "operator/kube/api_client.h"
#include "operator/kube/events.h"

namespace meshauth::app {

class KeyRotator {
 public:
  struct Parts {
    const kube::ApiClient& api;
    Runtime& runtime;
    KubeRecorder& recorder;
    Injector* injector;  ///< null: no webhook
    kube::EventRecorder& events;
    http::Metrics& metrics;
  };

  /// keys: what the parts work with already, as the Secret holds them. All parts outlive it. Works until its end, in a
  /// thread of its own.
  KeyRotator(const Options& options, MeshKeys keys, Parts parts);
  KeyRotator(const KeyRotator&) = delete;
  ~KeyRotator();

 private:
  using Steady = std::chrono::steady_clock;
  /// What this run of the operator saw of one kind of key.
  struct Progress {
    Steady::time_point since = Steady::now();  ///< it took the phase up
    Steady::time_point nudged{};               ///< the pods that are waited for
    bool said = false;                         ///< whom it waits for
  };

  /// A step that was written, but whose answer did not come: the Secret may hold it.
  struct Tried {
    MeshKeys keys;
    MeshKey key;
    KeyStep step;
  };
  static constexpr std::string_view kPodPrefix = "pod ";

  void run(const std::stop_token& stop);
  // These three give "", or why nothing is replaced.
  std::string look(const std::stop_token& stop);
  /// Does the Secret hold what we work with?
  std::string take(const nlohmann::json& secret);
  /// The Secret first, then all that follows from it.
  std::string carry_out(MeshKey key, KeyDecision decision, const nlohmann::json& secret,
                        const std::vector<std::string>& waiting, const std::stop_token& stop);
  KeyTimes times(MeshKey key) const;
  KeyFacts facts(MeshKey key, const nlohmann::json& secret, const std::vector<MeshKey>& asked) const;
  void wait_for_signing(std::vector<std::string>& out) const;
  void wait_for_authority(std::vector<std::string>& out) const;
  void follow(MeshKey key, KeyStep step);
  void tell(MeshKey key, KeyDecision decision, const std::vector<std::string>& waiting);
  void nudge(MeshKey key, const std::vector<std::string>& waiting);
  void complain(const std::string& what);
  bool rotating() const;
  Progress& progress(MeshKey key) { return progress_[static_cast<std::size_t>(key)]; }
  const Progress& progress(MeshKey key) const { return progress_[static_cast<std::size_t>(key)]; }

  const Options options_;
  const Parts parts_;
  // All below: the thread alone.
  MeshKeys keys_;
  std::optional<Tried> tried_;
  std::optional<MeshKey> last_step_;
  std::array<Progress, std::size(kMeshKeys)> progress_;
  std::vector<std::string> unpublished_;  ///< trusts that could not be written
  std::string complained_, uid_;
  KeyMetrics key_metrics_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace meshauth::app
