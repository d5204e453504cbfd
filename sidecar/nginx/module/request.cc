#include "sidecar/nginx/module/request.h"

#include <cstring>
#include <new>
#include <vector>

#include "core/engine/request_line.h"
#include "sidecar/nginx/module/worker.h"

namespace meshauth::nginx {
namespace {

static_assert(alignof(RequestState) <= NGX_ALIGNMENT, "it lives in a pool of nginx");

[[gnu::hot]] void destroy_state(void* data) noexcept {
  auto* state = static_cast<RequestState*>(data);
  if (state->expiry && state->expiry->timer_set) ngx_del_timer(state->expiry);
  state->~RequestState();
}

IpAddress address_of(const sockaddr* address) noexcept {
  IpAddress out;
  if (address->sa_family == AF_INET) {
    out.bytes[10] = out.bytes[11] = 0xff;
    std::memcpy(&out.bytes[12], &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, 4);
  } else if (address->sa_family == AF_INET6) {
    std::memcpy(out.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, 16);
  }
  return out;
}

std::uint16_t port_of(ngx_http_request_t* r) {
  if (loc_conf(r)->port != 0) return static_cast<std::uint16_t>(loc_conf(r)->port);
  if (ngx_connection_local_sockaddr(r->connection, nullptr, 0) != NGX_OK) return 0;
  return static_cast<std::uint16_t>(ngx_inet_get_port(r->connection->local_sockaddr));
}

bool is_sampled(ngx_http_request_t* r) noexcept {
  const ngx_uint_t part = main_conf(r)->audit_allowed;
  return part != 0 && static_cast<ngx_uint_t>(ngx_random()) % kMillion < part;
}

/// Without asking anybody. Apart from the usual way, which every request finds cold.
[[gnu::cold, gnu::noinline]] Answered refused(Reason reason) {
  engine::Outcome outcome;
  outcome.reason = reason;
  return {std::make_shared<const engine::Outcome>(std::move(outcome))};
}

/// As it came: error pages and redirects change nginx's own method and URI. Nothing: nginx hands on another target.
std::optional<engine::RequestLine> request_line(ngx_http_request_t* r) {
  const std::string_view line = view(r->request_line), method = view(r->method_name), uri = view(r->unparsed_uri);
  // The usual one, whose parts nginx left where they were: it hands on these very bytes.
  if (method.data() == line.data() && uri.data() == line.data() + method.size() + 1 && uri.starts_with('/') &&
      method.size() + 1 + uri.size() < line.size() && line[method.size()] == ' ' && uri.data()[uri.size()] == ' ')
    return engine::RequestLine{method, uri};
  const auto parts = engine::split_request_line(line);
  if (!engine::delivers(parts.target, uri, r->empty_path_in_uri != 0)) return std::nullopt;
  return parts;
}

Answered answer_to(ngx_http_request_t* r, Worker* worker) {
  const auto line = request_line(r);
  if (!line) return refused(Reason::path_ambiguous);
  if (!worker) return refused(Reason::no_bundle);
  std::vector<engine::Header>& headers = worker->no_headers();
  each_header(r->headers_in.headers, [&](const ngx_table_elt_t& header) {
    headers.push_back({lower_name(header), view(header.value)});
  });
  return worker->decide({line->method, line->target, headers, address_of(r->connection->sockaddr), port_of(r)},
                        loc_conf(r)->options());
}

/// Where there is no memory for another.
const engine::Outcome kInternal;

}  // namespace

[[gnu::hot]] RequestState* find_state(ngx_http_request_t* r) noexcept {
  ngx_http_request_t* const main = r->main;
  auto* state = static_cast<RequestState*>(ngx_http_get_module_ctx(main, ngx_http_mesh_auth_module));
  if (state) return state;
  for (ngx_pool_cleanup_t* cleanup = main->pool->cleanup; cleanup; cleanup = cleanup->next) {
    if (cleanup->handler != destroy_state) continue;
    state = static_cast<RequestState*>(cleanup->data);
    ngx_http_set_ctx(main, state, ngx_http_mesh_auth_module);
    return state;
  }
  return nullptr;
}

[[gnu::hot]] RequestState* state_of(ngx_http_request_t* r) {
  if (RequestState* state = find_state(r)) return state;
  ngx_http_request_t* const main = r->main;
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(main->pool, sizeof(RequestState));
  if (!cleanup) return nullptr;
  Worker* const worker = Worker::get();
  const auto keep = [&](RequestState* state) {
    cleanup->handler = destroy_state;
    ngx_http_set_ctx(main, state, ngx_http_mesh_auth_module);
    return state;
  };
  try {
    // The location's settings are those of the one that asks: a subrequest may be the first.
    RequestState* state = keep(new (cleanup->data) RequestState([&] { return answer_to(r, worker); }));
    state->logged = (!state->answer.again && (!state->outcome().allow || state->outcome().audit)) || is_sampled(r);
    return state;
  } catch (...) {
    keep(new (cleanup->data) RequestState([] {
      return Answered{{std::shared_ptr<void>(), &kInternal}};
    }))->logged = true;
    throw;
  }
}

std::vector<engine::Header> client_headers(ngx_http_request_t* r) {
  std::vector<engine::Header> out;
  each_header(r->main->headers_in.headers, [&](const ngx_table_elt_t& header) {
    out.push_back({lower_name(header), view(header.value)});
  });
  return out;
}

bool remove_identity_headers(ngx_http_request_t* r) {
  const Worker* worker = Worker::get();
  if (!worker || !worker->snapshot() || worker->snapshot()->identity_headers().empty()) return true;
  const engine::Snapshot& snapshot = *worker->snapshot();
  ngx_uint_t all = 0, own = 0;
  each_header(r->headers_in.headers, [&](const ngx_table_elt_t& header) {
    ++all;
    if (snapshot.is_identity_header(lower_name(header))) ++own;
  });
  if (own == 0) return true;
  // A new list: nginx keeps pointers to elements of the old one, which stays in the pool.
  ngx_list_t old = r->headers_in.headers;
  if (ngx_list_init(&r->headers_in.headers, r->pool, all, sizeof(ngx_table_elt_t)) != NGX_OK) return false;
  bool complete = true;
  each_header(old, [&](const ngx_table_elt_t& header) {
    if (snapshot.is_identity_header(lower_name(header))) return;
    auto* kept = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_in.headers));
    complete = complete && kept != nullptr;
    if (kept) *kept = header;
  });
  return complete;
}

}  // namespace meshauth::nginx
