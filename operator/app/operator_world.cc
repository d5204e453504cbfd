#include "operator/app/operator_world.h"

#include <variant>

#include "operator/fleet/server.h"
#include "operator/idp/key_sources.h"
#include "operator/log/log.h"

namespace meshauth::app {

void OperatorWorld::publish(const std::string& workload, std::shared_ptr<const bundle::Bundle> bundle) {
  log::info("bundle published", {{"object", workload},
                                 {"revision", bundle->manifest.revision.substr(0, 12)},
                                 {"term", bundle->manifest.epoch.term},
                                 {"sequence", bundle->manifest.epoch.sequence}});
  fleet_->publish(workload, std::move(bundle));
}

void OperatorWorld::withdraw(const std::string& workload) {
  fleet_->withdraw(workload);
}

void OperatorWorld::set_fresh(const std::string& workload, std::string json, std::string signature) {
  fleet_->set_fresh(workload, std::move(json), std::move(signature));
}

void OperatorWorld::follow(const std::string& source, const controllers::SourceWish& wish,
                           const std::optional<plan::KeyHistory>& restored) {
  idp::SourceSpec spec;
  if (const auto* discovery = std::get_if<model::Discovery>(&wish.origin)) {
    spec.kind = idp::SourceKind::Discovery;
    spec.url = discovery->url;
  } else if (const auto* jwks = std::get_if<model::JwksUri>(&wish.origin)) {
    spec.kind = idp::SourceKind::JwksUri;
    spec.url = jwks->uri;
  } else {
    spec.kind = idp::SourceKind::ClusterKeys;
  }
  spec.ca_bundle = wish.ca_bundle;
  spec.issuers = {wish.issuers.begin(), wish.issuers.end()};
  spec.refresh_interval = wish.rotation.refresh_interval;
  spec.min_refetch_interval = wish.rotation.min_refetch_interval;
  std::optional<idp::Restored> before;
  if (restored && restored->last_good) {
    before = idp::Restored{{}, restored->jwks_uri, restored->etag, *restored->last_good};
    for (const plan::TrackedKey& tracked : restored->keys) {
      if (!tracked.retire) before->keys.keys.push_back(tracked.key);
    }
    before->keys.skipped = restored->skipped;
    before->keys.ambiguous_kids = restored->ambiguous_kids;
  }
  sources_->update(source, spec, before);
}

void OperatorWorld::unfollow(const std::string& source) {
  sources_->remove(source);
}

void OperatorWorld::refetch(const std::string& source) {
  sources_->refetch(source);
}

}  // namespace meshauth::app
