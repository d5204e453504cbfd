// All that decisions of one workload need, built from one bundle: parsed off the event loop, swapped in as one pointer.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/mixing.h"
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

  /// As id(), and another one whenever the age of the keys is set: one request has one answer while this stays and no
  /// time passes that next_stale() or the token's expiry tells.
  std::uint64_t version() const { return version_; }

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

  /// The same match, of an earlier caller if one of the last few has it: most callers of a workload are alike.
  std::shared_ptr<const policy::Match> shared(std::shared_ptr<const policy::Match> match) const;

  /// Matches of a caller without a principal.
  const policy::Match& anonymous() const { return *anonymous_; }

  /// One that providers spell out is made once for all its tokens.
  std::shared_ptr<const Issuer> issuer(std::string_view name) const;

  /// Names of the headers that tell the application who calls, lower case, sorted: a client's own never pass.
  const std::vector<std::string>& identity_headers() const { return identity_headers_; }

  /// Would the application take a header of this name for one of those? CGI and WSGI make '_' of '-' (RFC 3875 section
  /// 4.1.18), PHP makes it of everything but letters and digits.
  bool is_identity_header(std::string_view name) const noexcept {
    return (own_lengths_ >> length(name) & 1) != 0 && reads_as_ours(name);
  }

  static constexpr std::size_t kNoHeader = static_cast<std::size_t>(-1), kOwnHeader = kNoHeader - 1;
  /// A number for each header, by its name in lower case, that a decision may go by: Host, those that may hold a token,
  /// those that a rule asks for. kOwnHeader: an identity header; kNoHeader: no decision goes by it.
  std::size_t deciding_header(std::string_view name) const noexcept {
    if ((lengths_ >> length(name) & 1) == 0) return kNoHeader;
    if (is_identity_header(name)) return kOwnHeader;
    for (std::size_t i = by_length_[length(name)]; i < deciding_headers_.size(); ++i) {
      const std::string& header = deciding_headers_[i];
      if (header.size() > name.size()) break;
      if (header.size() == name.size() && equal_bytes(header, name)) return i;
    }
    return kNoHeader;
  }

  /// Last good fetches. Never set: every provider that can go stale is stale.
  void set_fresh(const bundle::Fresh& fresh);
  /// For the command line, whose key sets come from a file: nothing is stale.
  void assume_fresh();

  /// The provider's keys are older than its maxStale, or nobody said how old they are. now: unix seconds.
  bool stale(std::size_t provider, double now) const { return now >= stale_from_[provider]; }
  /// When the next provider's keys are too old, unix seconds; infinite if none's.
  double next_stale(double now) const;

 private:
  void index_providers(const bundle::JwksFile& keys);
  void index_headers();
  static std::size_t length(std::string_view name) noexcept { return std::min<std::size_t>(name.size(), 63); }
  bool reads_as_ours(std::string_view name) const noexcept;

  std::uint64_t id_, version_;
  std::map<std::string, std::shared_ptr<const Issuer>, std::less<>> issuers_;
  Issuer other_issuer_;  // that no provider spells out
  jose::Verifier verifier_;
  policy::Engine engine_;
  ProviderMask all_, enforced_;
  TokenSources all_sources_, enforced_sources_;
  bool views_differ_ = false;
  std::shared_ptr<const policy::Match> anonymous_;
  mutable std::array<std::shared_ptr<const policy::Match>, 8> last_matches_;
  mutable std::size_t next_match_ = 0;
  std::vector<double> stale_from_;                                // by provider, unix seconds
  std::vector<std::string> identity_headers_, deciding_headers_;  // the latter by length
  // Looked at for every header of every request, and therefore close together.
  std::uint64_t own_lengths_ = 0;              // bit n: an identity header has n bytes; the last bit: that many or more
  std::uint64_t lengths_ = 0;                  // the same for those and the deciding ones
  std::array<std::uint16_t, 64> by_length_{};  // no deciding header before this one has n bytes; of the last: or more
};

/// Errors: jwks.json or policy.json that cannot be read, naming the file.
Result<std::unique_ptr<Snapshot>> make_snapshot(const bundle::Bundle& bundle);

}  // namespace meshauth::engine
