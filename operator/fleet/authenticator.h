// Who asks for a stream: a token becomes a caller.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace meshauth::fleet {

struct Caller {
  std::string pod;      ///< namespace/name; empty: the token is good, but no pod's
  std::string pod_uid;  ///< empty where pods have none (standalone)
  std::chrono::system_clock::time_point expiry;
  friend bool operator==(const Caller&, const Caller&) = default;
};

/// Both functions are called from several threads at once.
class Authenticator {
 public:
  virtual ~Authenticator() = default;

  /// nullopt: the token is no good (401). An error: it could not be checked now (503). May block; runs on the fleet
  /// server's own threads, at most FleetOptions::reviews at once. `instance` is what the agent calls itself.
  virtual Result<std::optional<Caller>> authenticate(std::string_view token, std::string_view instance) = 0;

  /// May this caller have the workload's bundle? Fast: it runs on the thread of the streams.
  virtual bool pod_in_workload(const Caller& caller, std::string_view workload) = 0;

  /// The sentence that a caller hears whom pod_in_workload turned away.
  virtual std::string why_refused(const Caller& caller, std::string_view workload) const;
};

/// Standalone: one secret in a file, shared with the agents. The pod is "standalone/<instance>". The file is read again
/// for each new token, so that it can be replaced.
class FileAuthenticator final : public Authenticator {
 public:
  explicit FileAuthenticator(std::string token_file) : token_file_(std::move(token_file)) {}

  Result<std::optional<Caller>> authenticate(std::string_view token, std::string_view instance) override;
  bool pod_in_workload(const Caller& caller, std::string_view workload) override;

 private:
  std::string token_file_;
};

/// What a TokenReview says of an authenticated service account token with our audience (authentication.k8s.io/v1,
/// status.user and its extra fields authentication.kubernetes.io/pod-name and pod-uid).
struct ReviewedToken {
  std::string username;  ///< system:serviceaccount:NAMESPACE:NAME
  std::string pod_name;  ///< empty: the token is not bound to a pod
  std::string pod_uid;
};

/// What the pod store knows of a pod that is not deleting, Succeeded or Failed.
struct KnownPod {
  std::string uid;
  std::string workload;  ///< value of label meshauth.dev/workload
};

/// Kubernetes: TokenReview says which pod, the pod store says of which workload it is.
class KubernetesAuthenticator final : public Authenticator {
 public:
  /// nullopt: not authenticated, or not for our audience.
  using TokenReview = std::function<Result<std::optional<ReviewedToken>>(std::string_view token)>;
  using FindPod = std::function<std::optional<KnownPod>(std::string_view pod)>;  ///< pod: namespace/name

  using Watches = std::function<bool(const std::string& ns)>;  ///< are the namespace's pods known at all?

  KubernetesAuthenticator(TokenReview review, FindPod find, Watches watches = {})
      : review_(std::move(review)), find_(std::move(find)), watches_(std::move(watches)) {}

  Result<std::optional<Caller>> authenticate(std::string_view token, std::string_view instance) override;
  bool pod_in_workload(const Caller& caller, std::string_view workload) override;
  std::string why_refused(const Caller& caller, std::string_view workload) const override;

 private:
  TokenReview review_;
  FindPod find_;
  Watches watches_;
};

}  // namespace meshauth::fleet
