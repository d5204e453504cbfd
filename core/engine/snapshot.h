// All that decisions of one workload need, built from one bundle: parsed off the event loop, swapped in as one pointer.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/bundle/bundle.h"
#include "core/bundle/documents.h"
#include "core/engine/token_source.h"
#include "core/jose/verifier.h"
#include "core/policy/engine.h"

namespace meshauth::engine {

/// Whose policies count: those that decide, or those together with the audit policies.
enum class View : std::uint8_t { Enforced, WithAudit };

/// The iss of tokens.
struct Issuer {
  std::string name;
  /// SHA-256 of what the verdict on such a token depends on: settings and keys of every provider that could vouch for
  /// it. A verified token stays verified (until it expires) while this is the same.
  std::array<char, 32> generation;
};

/// Not thread-safe (it holds a Verifier); may be built in one thread and then used in another.
class Snapshot {
 public:
  Snapshot(bundle::JwksFile keys, policy::CompiledPolicy policy);

  /// Distinguishes snapshots of one process: never 0, never used again.
  std::uint64_t id() const { return id_; }

  std::string revision;  ///< empty where it was built from no bundle (command line)
  bundle::Epoch epoch;
  std::string workload;   ///< namespace/name
  std::string auth_conf;  ///< bundle::auth_conf_digest; empty where it was built from no bundle

  jose::Verifier& verifier() { return verifier_; }
  const policy::Engine& engine() const { return engine_; }
  const std::vector<ProviderSettings>& providers() const { return verifier_.providers(); }
  std::optional<std::size_t> provider_index(std::string_view id) const;

  const TokenSources& sources(View view) const { return view == View::Enforced ? enforced_sources_ : all_sources_; }
  const ProviderMask& mask(View view) const { return view == View::Enforced ? enforced_ : all_; }

  /// Some provider is named by audit policies alone, so that the two views may see different callers.
  bool views_differ() const { return views_differ_; }

  /// Matches of a caller without a principal.
  const policy::Match& anonymous() const { return *anonymous_; }

  /// One that providers spell out is made once for all its tokens.
  std::shared_ptr<const Issuer> issuer(std::string_view name) const;

  /// Names of the headers that tell the application who calls, lower case, sorted: a client's own never pass.
  const std::vector<std::string>& identity_headers() const { return identity_headers_; }

  /// Last good fetches. Never set: every provider that can go stale is stale.
  void set_fresh(const bundle::Fresh& fresh);
  /// For the command line, whose key sets come from a file: nothing is stale.
  void assume_fresh();

  /// The provider's keys are older than its maxStale, or nobody said how old they are. now: unix seconds.
  bool stale(std::size_t provider, double now) const { return now >= stale_from_[provider]; }

 private:
  void index_providers(const bundle::JwksFile& keys);

  std::uint64_t id_;
  std::map<std::string, std::shared_ptr<const Issuer>, std::less<>> issuers_;
  Issuer other_issuer_;  // that no provider spells out
  jose::Verifier verifier_;
  policy::Engine engine_;
  ProviderMask all_, enforced_;
  TokenSources all_sources_, enforced_sources_;
  bool views_differ_ = false;
  std::shared_ptr<const policy::Match> anonymous_;
  std::vector<std::string> identity_headers_;
  std::vector<double> stale_from_;  // by provider, unix seconds
};

/// Errors: jwks.json or policy.json that cannot be read, naming the file.
Result<std::unique_ptr<Snapshot>> make_snapshot(const bundle::Bundle& bundle);

}  // namespace meshauth::engine
