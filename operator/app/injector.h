// The webhook at work: its settings, its certificate and the next one, and that the API server believes it.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "operator/app/health.h"
#include "operator/app/mesh_keys.h"
#include "operator/app/options.h"
#include "operator/controllers/index.h"
#include "operator/http/metrics.h"
#include "operator/kube/api_client.h"
#include "operator/webhook/server.h"

namespace meshauth::app {

class Injector {
 public:
  /// nullptr without --webhook-listen. api, index and page outlive it; the index knows every namespace by now. Errors:
  /// what is wrong with the flags, the address or the certificate's files.
  static Result<std::unique_ptr<Injector>> start(const Options& options, const MeshKeys& keys,
                                                 const kube::ApiClient& api, const controllers::Index& index,
                                                 http::Metrics& metrics, FleetPage& page);
  ~Injector();
  Injector(const Injector&) = delete;

 private:
  Injector(const Options& options, const MeshKeys& keys, const kube::ApiClient& api, FleetPage& page);

  bool by_others() const { return !options_.injection.certificate_dir.empty(); }
  Result<fleet::Certificate> next_certificate() const;
  void keep(const std::stop_token& stop);
  void renew();
  void tell_api_server(const std::stop_token& stop);

  const Options options_;
  const MeshKeys keys_;
  const kube::ApiClient& api_;
  FleetPage& page_;
  fleet::Certificate certificate_;  ///< in use
  std::chrono::steady_clock::time_point renew_at_;
  std::string said_;  ///< the last trouble, said once
  std::unique_ptr<webhook::Server> server_;
  std::jthread keeper_;
};

}  // namespace meshauth::app
