// What this module keeps of one client request: the decision on what the client sent, made once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/engine/decide.h"
#include "sidecar/nginx/module/config.h"
#include "sidecar/nginx/trace.h"

namespace meshauth::nginx {

/// Lives as long as the main request's pool, through internal redirects, which clear nginx's module contexts.
struct RequestState {
  engine::Outcome outcome;
  std::shared_ptr<const std::string> revision{};  ///< in force at the decision; null: none
  std::uint64_t microseconds = 0;                 ///< that the decision took
  bool sampled = false;                           ///< an allowed request whose line is logged all the same
  bool answered = false;    ///< the refusal was handed to nginx once: what follows is its error page
  bool challenged = false;  ///< WWW-Authenticate is set
  std::optional<Trace> trace{};
  ngx_event_t expiry{};  ///< of an upgraded connection's token
};

/// Null: nothing was decided yet.
RequestState* find_state(ngx_http_request_t* r) noexcept;

/// The state of the main request; decides if nobody has. Null: no memory. May throw.
RequestState* state_of(ngx_http_request_t* r);

/// Takes the client's copies of the identity headers out of the main request, in every spelling that an application
/// might read as theirs: whatever their case, and with '_', '.' or another character for '-'. False: no memory.
bool remove_identity_headers(ngx_http_request_t* r);

/// Calls see(element) for each field line of the client.
template <class See>
void each_header(ngx_list_t& list, See&& see) {
  for (ngx_list_part_t* part = &list.part; part; part = part->next) {
    auto* const elements = static_cast<ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) see(elements[i]);
  }
}

inline std::string_view lower_name(const ngx_table_elt_t& header) noexcept {
  return {reinterpret_cast<const char*>(header.lowcase_key), header.key.len};
}

/// The client's field lines. Views into nginx's own.
std::vector<engine::Header> client_headers(ngx_http_request_t* r);

}  // namespace meshauth::nginx
