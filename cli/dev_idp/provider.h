// What the development identity provider answers: a request in, an answer out, no socket.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cli/dev_idp/key_store.h"
#include "core/base/result.h"

namespace meshauth::dev_idp {

struct Ask {
  std::string method;
  std::string target;  ///< path and query
  std::string content_type;
  std::string authorization;
  std::string if_none_match;
  std::string body;
};

struct Answer {
  enum class Manner : std::uint8_t {
    Whole,
    Hang,   ///< the connection is closed without a word
    Drip,   ///< a byte a second, without an end
    Flood,  ///< 100 MB
  };
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string etag;
  std::string allow;  ///< with status 405
  Manner manner = Manner::Whole;
};

enum class FailMode : std::uint8_t { Off, Down, Html, Status500, Slow, Big, Issuer, Secret };
std::optional<FailMode> fail_mode_from_name(std::string_view name) noexcept;
std::string_view fail_mode_name(FailMode mode) noexcept;

/// Not thread-safe: one thread serves all connections.
///
/// GET  /.well-known/openid-configuration, /keys   what an operator asks; these alone fail after POST /fail
/// POST /token    application/json {"claims":{},"alg":"RS256","expiresIn":300,"kid":"","header":{}}: any claims, a null
///                removes one of ours (iss iat exp jti sub); or the form of RFC 6749 section 4.4 (client_credentials)
/// POST /rotate[?drop=old]
/// POST /fail?mode=down|html|500|slow|big|issuer|secret|off
/// GET  /         what there is; /ca.pem
class Provider {
 public:
  /// now: unix seconds.
  Provider(std::string issuer, KeyStore keys, std::string ca_pem, std::function<std::int64_t()> now);

  Answer answer(const Ask& ask);

  const std::string& issuer() const { return issuer_; }

 private:
  Answer discovery() const;
  Answer key_set() const;
  Answer token(const Ask& ask) const;
  Answer token_from_json(const std::string& body) const;
  Answer token_from_form(const Ask& ask) const;
  Answer rotate(std::string_view query);
  Answer set_fail(std::string_view query);
  Answer index() const;
  std::optional<Answer> failure() const;

  std::string issuer_;
  std::string base_path_;  ///< path of the issuer, before all of ours
  KeyStore keys_;
  std::string ca_pem_;
  std::function<std::int64_t()> now_;
  FailMode fail_ = FailMode::Off;
};

}  // namespace meshauth::dev_idp
