// One GET of a document that somebody else's URL names (discovery, JWKS), with every bound that such a URL needs:
// addresses are checked before connecting and the checked address is the one connected to; the server's name is
// verified; header, body and redirects are limited; one deadline covers everything from the name's resolution on.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/cidr.h"
#include "core/base/result.h"
#include "operator/http/url.h"

namespace meshauth::http {

struct FetchRequest {
  std::string url;                     ///< https
  std::string ca_bundle;               ///< PEM, the only roots then; empty: the system's
  std::string if_none_match;           ///< an entity tag as it was answered; empty: none
  std::size_t max_body = 1024 * 1024;  ///< bytes
  std::size_t max_header = 16 * 1024;  ///< bytes
  std::chrono::milliseconds deadline{10'000};
};

struct FetchResponse {
  int status = 0;
  std::string body;  ///< with status 200 alone; other answers' bodies are not read
  std::string etag;
  std::string content_type;
  std::optional<std::chrono::seconds> max_age;  ///< of Cache-Control; 0 for no-store and no-cache
};

// X(enumerator-and-name)
#define MESH_AUTH_FETCH_FAULTS(X)                                                      \
  X(UrlInvalid)                                                                        \
  X(HttpRefused)    /* http:// where https is needed */                                \
  X(CaInvalid)      /* the CA bundle holds no certificate */                           \
  X(ResolveFailed)  /* the name has no address, or its resolver does not answer */     \
  X(AddressRefused) /* every address of the host is one that must not be asked */      \
  X(ConnectFailed)                                                                     \
  X(CertificateRefused) /* not trusted, expired, or for another name */                \
  X(TlsFailed)          /* the handshake failed for another cause */                   \
  X(ConnectionLost)     /* closed before the answer was whole */                       \
  X(ResponseInvalid)    /* no HTTP/1.1 answer */                                       \
  X(HeaderTooLarge)                                                                    \
  X(BodyTooLarge)                                                                      \
  X(EncodingRefused) /* a content coding nobody asked for */                           \
  X(RedirectRefused) /* to another scheme, host or port, or without a usable target */ \
  X(TooManyRedirects)                                                                  \
  X(TimedOut)                                                                          \
  X(Cancelled)                                                                         \
  X(Internal) /* no memory, no file descriptor, no thread */

enum class FetchFault : std::uint8_t {
#define X(name) name,
  MESH_AUTH_FETCH_FAULTS(X)
#undef X
};
std::string_view fetch_fault_name(FetchFault fault) noexcept;

struct FetchError {
  FetchFault fault;
  std::string message;  ///< a sentence for a person; names the host and what would be right
};

/// What the operator's own flags decide, and seams for tests.
struct FetchGuard {
  bool allow_loopback = false;  ///< --provider-allow-loopback: development and tests
  bool allow_http = false;      ///< tests only
  /// Addresses of a name; empty: the system's resolver.
  std::function<Result<std::vector<IpAddress>>(const std::string& host)> resolve;
};

/// Blocks until there is an answer or the deadline is over; a stop request ends it at once. Any answer of the server is
/// a response, whatever its status; up to 3 redirects on the same origin are followed.
tl::expected<FetchResponse, FetchError> guarded_fetch(const FetchRequest& request, const FetchGuard& guard = {},
                                                      const std::stop_token& stop = {});

}  // namespace meshauth::http
