#include "sidecar/nginx/module/handler.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/engine/challenge.h"
#include "sidecar/nginx/module/request.h"
#include "sidecar/nginx/module/worker.h"

namespace meshauth::nginx {
namespace {

/// Does nginx have an error page of its owner's for this status here?
bool has_error_page(ngx_http_request_t* r, ngx_int_t status) {
  const auto* core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r, ngx_http_core_module));
  if (r->error_page || !core->error_pages || r->uri_changes == 0) return false;
  const auto* pages = static_cast<ngx_http_err_page_t*>(core->error_pages->elts);
  return std::any_of(pages, pages + core->error_pages->nelts,
                     [&](const ngx_http_err_page_t& page) { return page.status == status; });
}

bool set_challenge(ngx_http_request_t* r, RequestState& state) {
  if (state.challenged) return true;
  const std::string value = engine::challenge(state.outcome(), view(loc_conf(r)->resource_metadata));
  if (value.empty()) return true;
  auto* header = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
  if (!header) return false;
  header->hash = 0;  // not sent before it is whole
  if (!copy(r->pool, value, header->value)) return false;
  ngx_str_set(&header->key, "WWW-Authenticate");
  header->lowcase_key = reinterpret_cast<u_char*>(const_cast<char*>("www-authenticate"));
  header->hash = 1;
  r->headers_out.www_authenticate = header;
  state.challenged = true;
  return true;
}

/// Answers with our own body; the request is finished after it.
ngx_int_t send_body(ngx_http_request_t* r, ngx_int_t status) {
  const auto form = loc_conf(r)->error_body == 1 ? engine::ErrorBody::Plain : engine::ErrorBody::Json;
  ngx_http_complex_value_t body;
  ngx_memzero(&body, sizeof body);
  if (!copy(r->pool, engine::error_body(static_cast<int>(status), form), body.value))
    return NGX_HTTP_SERVICE_UNAVAILABLE;
  ngx_str_t type = str(engine::content_type(form));
  r->expect_tested = 1;                                  // no "100 Continue" for a body that nobody wants
  if (status == NGX_HTTP_BAD_REQUEST) r->keepalive = 0;  // as nginx does: whoever sent this may have sent more of it
  r->err_status = 0;  // an `error_page ... =200` on the way here must not make a success of a refusal
  ngx_http_finalize_request(r, ngx_http_send_response(r, static_cast<ngx_uint_t>(status), &type, &body));
  return NGX_DONE;
}

bool is_grpc(ngx_http_request_t* r) {
  const ngx_table_elt_t* type = r->headers_in.content_type;
  constexpr std::string_view kGrpc = "application/grpc";
  return r->http_version == NGX_HTTP_VERSION_20 && type && iequals(view(type->value).substr(0, kGrpc.size()), kGrpc);
}

bool add_header(ngx_http_request_t* r, std::string_view name, std::string_view value) {
  auto* header = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
  if (!header) return false;
  header->hash = 1;
  header->key = str(name);
  header->lowcase_key = header->key.data;
  header->value = str(value);
  return true;
}

/// A gRPC client reads no HTTP status: the answer is a "Trailers-Only" response (gRPC over HTTP/2, "Responses").
ngx_int_t send_grpc_status(ngx_http_request_t* r, int status) {
  r->headers_out.status = NGX_HTTP_OK;
  r->headers_out.content_type = str("application/grpc");
  r->headers_out.content_type_len = r->headers_out.content_type.len;
  r->headers_out.content_type_lowcase = nullptr;
  ngx_http_clear_content_length(r);
  r->header_only = 1;
  r->err_status = 0;
  r->expect_tested = 1;
  if (!add_header(r, "grpc-status", engine::grpc_status(status)) ||
      !add_header(r, "grpc-message", engine::phrase(status)) || ngx_http_discard_request_body(r) != NGX_OK) {
    return NGX_HTTP_SERVICE_UNAVAILABLE;
  }
  ngx_http_finalize_request(r, ngx_http_send_header(r));
  return NGX_DONE;
}

[[gnu::cold, gnu::noinline]] ngx_int_t refuse(ngx_http_request_t* r, RequestState& state) {
  const ngx_int_t status = state.outcome().status();
  if (!set_challenge(r, state)) return NGX_HTTP_SERVICE_UNAVAILABLE;
  if (r != r->main) return status;
  state.refused = true;
  if (is_grpc(r)) return send_grpc_status(r, state.outcome().status());
  return has_error_page(r, status) ? status : send_body(r, status);
}

/// An error page may be shown after our refusal, but only a static one: what has a content handler (proxy_pass and its
/// like) would carry the refused request on.
bool shows_error_page(ngx_http_request_t* r, const RequestState& state) {
  return state.refused && r->content_handler == nullptr;
}

void on_expired(ngx_event_t* event) noexcept {
  auto* c = static_cast<ngx_connection_t*>(event->data);
  auto* r = static_cast<ngx_http_request_t*>(c->data);
  if (!r->upstream || !r->upstream->upgrade) {  // not yet: the application may take its time for a 101
    constexpr ngx_msec_t kLook = 100;
    ngx_add_timer(event, kLook);
    return;
  }
  ngx_log_error(NGX_LOG_INFO, c->log, 0, "mesh_auth: the token of an upgraded connection has expired");
  c->close = 1;  // nginx's own way to end it: the request handler terminates the request
  ngx_post_event(c->read, &ngx_posted_events);
}

/// Whoever asks for another protocol may stay for long: to the end of the token, not longer.
/// False: no memory.
bool limit_upgrade(ngx_http_request_t* r, RequestState& state) {
  if (!r->headers_in.upgrade || !state.outcome().caller) return true;  // nginx asks for no version, 1.0 will do
  if (r != r->main || r->http_version >= NGX_HTTP_VERSION_20 || state.expiry) return true;
  state.expiry = static_cast<ngx_event_t*>(ngx_pcalloc(r->pool, sizeof(ngx_event_t)));
  if (!state.expiry) return false;
  constexpr double kLongest = 86400.0 * 30;  // of the timer, seconds; ngx_msec_t compares by differences
  const double left = std::clamp(state.outcome().caller->expires - now(), 0.0, kLongest);
  state.expiry->handler = on_expired;
  state.expiry->data = r->connection;
  state.expiry->log = r->connection->log;
  state.expiry->cancelable = 1;
  ngx_add_timer(state.expiry, static_cast<ngx_msec_t>(left * 1000));
  return true;
}

ngx_int_t handle_decided(ngx_http_request_t* r) {
  RequestState* state = state_of(r);
  if (!state) return NGX_HTTP_SERVICE_UNAVAILABLE;
  if (!state->logged && main_conf(r)->log_phase == 1) r->main->logged = 1;  // as far as nginx is concerned
  if (r == r->main && !state->answer.again && !remove_identity_headers(r)) return NGX_HTTP_SERVICE_UNAVAILABLE;
  if (loc_conf(r)->mode == kObserve) return NGX_DECLINED;
  if (!state->answer.again && !state->outcome().allow)
    return shows_error_page(r, *state) ? NGX_DECLINED : refuse(r, *state);
  return limit_upgrade(r, *state) ? NGX_DECLINED : NGX_HTTP_SERVICE_UNAVAILABLE;
}

/// A connection that nginx took in the last moment before it drained this worker, and read after it, was not told to
/// end like the others: over HTTP/2 its client would stay with a worker that was replaced.
[[gnu::cold, gnu::noinline]] void end_with_the_worker(ngx_http_request_t* r) {
  if (!r->stream || r->stream->connection->goaway) return;
  ngx_connection_t* c = r->stream->connection->connection;
  c->close = 1;  // nginx's own way: GOAWAY, and what was begun goes on
  ngx_post_event(c->read, &ngx_posted_events);
}

}  // namespace

[[gnu::hot]] ngx_int_t handle(ngx_http_request_t* r) noexcept {
  return guarded(r->connection->log, ngx_int_t{NGX_HTTP_SERVICE_UNAVAILABLE}, [&]() -> ngx_int_t {
    if (ngx_exiting) end_with_the_worker(r);
    if (loc_conf(r)->mode != kOff) return handle_decided(r);
    // Without a bundle nobody knows which headers are identities: an application gets none of the client's.
    if (r->content_handler && Worker::get() && !Worker::get()->snapshot()) return NGX_HTTP_SERVICE_UNAVAILABLE;
    if (r == r->main && !remove_identity_headers(r)) return NGX_HTTP_SERVICE_UNAVAILABLE;
    return NGX_DECLINED;
  });
}

}  // namespace meshauth::nginx
