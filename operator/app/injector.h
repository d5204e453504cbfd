// The webhook at work: its settings, its certificate and the next one, and that the API server believes it.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "operator/app/health.h"
#include "operator/app/mesh_keys.h"
#include "operator/app/options.h"
#include "operator/controllers/index.h"
#include "operator/http/metrics.h"
#include "operator/kube/api_client.h"
#include "operator/webhook/server.h"

namespace meshauth::app {

/// Does a server with that answer to /version (apimachinery's version.Info) run init containers with restartPolicy
/// Always beside the others? Error: it holds no version.
Result<bool> has_native_sidecars(std::string_view version);

class Injector {
 public:
  /// nullptr without --webhook-listen. api, index and page outlive it; the index knows every namespace by now. Errors:
  /// what is wrong with the flags, the address or the certificate's files.
  static Result<std::unique_ptr<Injector>> start(const Options& options, const MeshKeys& keys,
                                                 const kube::ApiClient& api, const controllers::Index& index,
                                                 http::Metrics& metrics, FleetPage& page);
  ~Injector();

  /// The authority that signs from now on, and what the API server is to believe. Its certificate follows once the API
  /// server was told, so that no review fails.
  void set_authorities(const MeshKeys& keys);
  /// The API server was told of all authorities of these keys, and the certificate is of the one in use; true where
  /// others make the certificate.
  bool follows(const MeshKeys& keys) const;
  Injector(const Injector&) = delete;

 private:
  Injector(const Options& options, const MeshKeys& keys, const kube::ApiClient& api, http::Metrics& metrics,
           FleetPage& page);

  bool by_others() const { return !options_.injection.certificate_dir.empty(); }
  Result<fleet::Certificate> next_certificate(const fleet::Certificate& authority) const;
  std::chrono::steady_clock::time_point renewal_of(const fleet::Certificate& certificate) const;
  void keep(const std::stop_token& stop);
  void renew(const fleet::Certificate& authority);
  void tell_api_server(const std::string& bundle, const std::stop_token& stop);

  /// What the API server is to believe, whichever of two is in use.
  static std::string bundle_of(const MeshKeys& keys);
  struct Wanted {
    fleet::Certificate authority;
    std::string bundle;
  };
  Wanted wanted() const;
  bool told(const std::string& bundle) const;  ///< long enough ago

  const Options options_;
  const kube::ApiClient& api_;
  http::Metrics& metrics_;
  FleetPage& page_;
  fleet::Certificate certificate_;  ///< in use
  std::chrono::steady_clock::time_point renew_at_;
  std::string said_;  ///< the last trouble, said once
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  Wanted wanted_;
  bool news_ = false;
  std::string certified_by_;  ///< authority of certificate_, PEM
  std::string told_;          ///< the API server's caBundle
  std::chrono::steady_clock::time_point told_at_;
  std::unique_ptr<webhook::Server> server_;
  std::jthread keeper_;
};

}  // namespace meshauth::app
