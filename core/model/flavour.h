// How nginx of a workload is made to ask: the value of pod label meshauth.dev/flavour.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace meshauth::model {

enum class Flavour : std::uint8_t {
  Module,       ///< our module in nginx decides
  AuthRequest,  ///< a stock nginx asks the agent about each request (ngx_http_auth_request_module)
  NginxPlus,    ///< an NGINX Plus decides with auth_jwt and maps; only its configuration is made here
};

constexpr std::string_view kFlavourNames = "Module, AuthRequest or NginxPlus";

/// An empty label is Module. nullopt: no flavour.
constexpr std::optional<Flavour> parse_flavour(std::string_view text) noexcept {
  if (text.empty() || text == "Module") return Flavour::Module;
  if (text == "AuthRequest") return Flavour::AuthRequest;
  if (text == "NginxPlus") return Flavour::NginxPlus;
  return std::nullopt;
}

}  // namespace meshauth::model
