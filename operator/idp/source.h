// A key source: one URL with one CA bundle, or the connected cluster, from which public keys are fetched; and what came
// of one fetch.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "core/base/duration.h"
#include "core/jose/key_set.h"

namespace meshauth::idp {

enum class SourceKind : std::uint8_t {
  Discovery,    ///< url is an OpenID Connect discovery document, which names the key set
  JwksUri,      ///< url is the key set (RFC 7517)
  ClusterKeys,  ///< the connected API server's key set, through the API client
};

struct SourceSpec {
  SourceKind kind = SourceKind::JwksUri;
  std::string url;                   ///< https; unused for ClusterKeys
  std::string ca_bundle;             ///< PEM; empty: the system's roots
  std::vector<std::string> issuers;  ///< Discovery: the document's issuer must be one of them; empty: any
  Seconds refresh_interval{300};     ///< longest time between two good fetches
  Seconds min_refetch_interval{30};  ///< shortest time between two fetches, whoever asks for one

  friend bool operator==(const SourceSpec&, const SourceSpec&) = default;
};

// X(enumerator-and-name)
#define MESH_AUTH_SOURCE_FAULTS(X)                                                  \
  X(UrlInvalid) /* no URL, or not https */                                          \
  X(CaInvalid)  /* the CA bundle holds no readable certificate */                   \
  X(ResolveFailed)                                                                  \
  X(AddressRefused) /* loopback, link-local, metadata service, ... */               \
  X(ConnectFailed)                                                                  \
  X(TlsFailed)       /* handshake, trust, or name of the certificate */             \
  X(Timeout)         /* no whole answer before the deadline */                      \
  X(RedirectRefused) /* to another host, or too often */                            \
  X(TooLarge)        /* header or body */                                           \
  X(ResponseInvalid) /* no whole HTTP answer, or a coding nobody asked for */       \
  X(HttpStatus)      /* another status than 200 and 304 */                          \
  X(NotJson)                                                                        \
  X(DiscoveryFailed) /* the document has no usable issuer or jwks_uri */            \
  X(IssuerMismatch)  /* the document is of an issuer that no provider here names */ \
  X(SecretMaterial)  /* a private or symmetric key in the set */                    \
  X(KeySetInvalid)   /* JSON, but no key set */                                     \
  X(NoUsableKeys)                                                                   \
  X(ClusterFailed) /* the API server did not give its keys */                       \
  X(Internal)      /* no memory, no file descriptor, no thread */

enum class SourceFault : std::uint8_t {
#define X(name) name,
  MESH_AUTH_SOURCE_FAULTS(X)
#undef X
};
std::string_view source_fault_name(SourceFault fault) noexcept;

struct SourceFailure {
  SourceFault fault;
  std::string message;        ///< a sentence for a condition: what was asked, what came, what would be right
  bool in_discovery = false;  ///< the discovery document was the trouble, not the key set
};

/// A good fetch.
struct Fetched {
  std::shared_ptr<const jose::KeySet> keys;  ///< with at least one usable key
  std::string discovered_issuer;             ///< Discovery: the document's; each provider compares it with its own
  std::string jwks_uri;                      ///< where the keys came from; empty for ClusterKeys
  std::string etag;                          ///< of the key set; empty: none
  bool not_modified = false;                 ///< the server said that the keys are those of the fetch before
};

struct SourceResult {
  tl::expected<Fetched, SourceFailure> outcome;
  unsigned consecutive_failures = 0;  ///< 0 after a good fetch
  std::chrono::sys_seconds time;      ///< when this fetch ended
  std::chrono::sys_seconds next_fetch;
  std::optional<std::chrono::sys_seconds> last_good;  ///< this fetch, or an earlier one, also before a restart
};

/// What was recorded of a source before a restart.
struct Restored {
  jose::KeySet keys;     ///< as fetched last: without keys that are only retiring
  std::string jwks_uri;  ///< of that fetch
  std::string etag;      ///< of that fetch
  std::chrono::sys_seconds last_good;
};

}  // namespace meshauth::idp
