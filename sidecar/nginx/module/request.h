// What this module keeps of one client request: the decision on what the client sent, made once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/engine/decide.h"
#include "sidecar/nginx/module/config.h"
#include "sidecar/nginx/module/worker.h"
#include "sidecar/nginx/trace.h"

namespace meshauth::nginx {

/// Lives as long as the main request's pool, through internal redirects, which clear nginx's module contexts.
struct RequestState {
  /// give(): the answer, which is made in place.
  template <class Give>
  explicit RequestState(const Give& give) : answer(give()) {}

  Answered answer;
  bool logged = false;      ///< refused, or different for the audit, or one of the allowed ones that are sampled
  bool refused = false;     ///< the refusal was handed to nginx once: what follows is its error page
  bool challenged = false;  ///< WWW-Authenticate is set
  std::optional<Trace> trace{};
  ngx_event_t* expiry = nullptr;  ///< of an upgraded connection's token; in the pool

  const engine::Outcome& outcome() const { return answer.again ? *answer.again : *answer.outcome; }
};

/// Null: nothing was decided yet.
RequestState* find_state(ngx_http_request_t* r) noexcept;

/// The state of the main request; decides if nobody has. Null: no memory. May throw.
RequestState* state_of(ngx_http_request_t* r);

/// Takes the client's copies of the identity headers out of the main request, in every spelling that an application
/// might read as theirs (Snapshot::is_identity_header). False: no memory.
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
