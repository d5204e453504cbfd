#include "sidecar/nginx/module/variables.h"

#include <random>
#include <string>

#include "core/engine/caller.h"
#include "core/engine/forwarded.h"
#include "core/engine/request_line.h"
#include "sidecar/nginx/module/request.h"
#include "sidecar/nginx/module/worker.h"

namespace meshauth::nginx {
namespace {

/// A value that the request's state owns, or a copy in the pool where it is made for this.
struct Text {
  std::string_view kept;
  std::string made;
  bool is_made = false;

  static Text keep(std::string_view text) {
    return engine::is_harmless(text) ? Text{text, {}, false} : Text{{}, engine::harmless(text), true};
  }
  static Text make(std::string text) { return {{}, std::move(text), true}; }
};

ngx_int_t put(ngx_http_variable_value_t* v, ngx_str_t value) noexcept {
  v->data = value.data;
  v->len = static_cast<unsigned>(value.len);
  v->valid = 1;
  v->no_cacheable = 1;
  v->not_found = 0;
  return NGX_OK;
}

ngx_int_t set(ngx_http_request_t* r, ngx_http_variable_value_t* v, const Text& text) {
  ngx_str_t value = str(text.kept);
  if (text.is_made && !copy(r->pool, text.made, value)) return NGX_ERROR;
  return put(v, value);
}

const Trace& trace(ngx_http_request_t* r, RequestState& state) {
  if (!state.trace) {
    static NewTraces made = [] {
      std::random_device device;
      const auto word = [&] { return static_cast<std::uint64_t>(device()) << 32 | device(); };
      return NewTraces(TraceIds(word(), word()));
    }();
    std::string_view sent;
    std::size_t lines = 0;
    each_header(r->main->headers_in.headers, [&](const ngx_table_elt_t& header) {
      constexpr std::string_view kName = "traceparent";
      if (header.key.len != kName.size() || !engine::same_header(lower_name(header), kName)) return;
      sent = view(header.value);
      ++lines;
    });
    if (lines == 1) state.trace = trace_of(sent);
    if (!state.trace) state.trace = made.next();
  }
  return *state.trace;
}

// --- one function per variable; state is never null ---

using Reader = Text (*)(ngx_http_request_t*, RequestState&);

Text decision(ngx_http_request_t*, RequestState& s) {
  return Text::keep(s.outcome().allow ? "allow" : "deny");
}
Text reason(ngx_http_request_t*, RequestState& s) {
  return Text::keep(reason_name(s.outcome().reason));
}
Text rule(ngx_http_request_t*, RequestState& s) {
  return Text::keep(s.outcome().rule);
}
Text policy_id(ngx_http_request_t*, RequestState& s) {
  return Text::keep(s.outcome().policy);
}
Text revision(ngx_http_request_t*, RequestState& s) {
  return Text::keep(s.outcome().revision ? std::string_view(*s.outcome().revision) : std::string_view());
}
Text token_id(ngx_http_request_t*, RequestState& s) {
  return Text::keep(s.outcome().caller ? std::string_view(s.outcome().caller->token_id) : std::string_view());
}
Text issuer(ngx_http_request_t*, RequestState& s) {
  return Text::keep(s.outcome().caller ? s.outcome().caller->issuer->name : s.outcome().issuer);
}
template <std::string engine::CallerIdentity::*Member>
Text identity(ngx_http_request_t*, RequestState& s) {
  const auto* principal = s.outcome().principal();
  return Text::keep(principal ? std::string_view(principal->*Member) : std::string_view());
}
Text scopes(ngx_http_request_t*, RequestState& s) {
  return Text::make(engine::scope_text(s.outcome()));
}
Text trace_id(ngx_http_request_t* r, RequestState& s) {
  return {trace(r, s).trace_id(), {}, false};
}
Text path(ngx_http_request_t* r, RequestState&) {
  return Text::make(engine::loggable_path(engine::split_request_line(view(r->main->request_line)).target));
}
Text microseconds(ngx_http_request_t*, RequestState& s) {
  return Text::make(std::to_string(s.answer.microseconds));
}
Text audit_decision(ngx_http_request_t*, RequestState& s) {
  return Text::keep(!s.outcome().audit ? "" : s.outcome().audit->allow ? "allow" : "deny");
}
Text audit_rule(ngx_http_request_t*, RequestState& s) {
  if (!s.outcome().audit || s.outcome().audit->policy.empty()) return {};
  return Text::make(engine::harmless(s.outcome().audit->policy + ":" + s.outcome().audit->rule));
}

struct Variable {
  std::string_view name;
  Reader read;
};

constexpr Variable kVariables[] = {
    {"mesh_auth_decision", decision},
    {"mesh_auth_reason", reason},
    {"mesh_auth_rule", rule},
    {"mesh_auth_policy", policy_id},
    {"mesh_auth_revision", revision},
    {"mesh_auth_issuer", issuer},
    {"mesh_auth_provider", identity<&engine::CallerIdentity::provider>},
    {"mesh_auth_subject", identity<&engine::CallerIdentity::subject>},
    {"mesh_auth_client", identity<&engine::CallerIdentity::client>},
    {"mesh_auth_scopes", scopes},
    {"mesh_auth_token_id", token_id},
    {"mesh_auth_path", path},
    {"mesh_auth_microseconds", microseconds},
    {"mesh_auth_audit_decision", audit_decision},
    {"mesh_auth_audit_rule", audit_rule},
    {"mesh_auth_trace_id", trace_id},
};

ngx_int_t read_variable(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t data) noexcept {
  return guarded(r->connection->log, ngx_int_t{NGX_ERROR}, [&] {
    RequestState* state = find_state(r);
    return set(r, v, state ? kVariables[data].read(r, *state) : Text{});
  });
}

// --- asked for by every request, and so without the way through the table ---

[[gnu::hot]] ngx_int_t read_traceparent(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t) noexcept {
  return guarded(r->connection->log, ngx_int_t{NGX_ERROR}, [&] {
    RequestState* state = find_state(r);
    return put(v, str(state ? trace(r, *state).traceparent() : std::string_view()));
  });
}

[[gnu::hot]] ngx_int_t read_log(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t) noexcept {
  const RequestState* state = find_state(r);
  return put(v, str(state && state->logged ? "1" : ""));
}

ngx_int_t read_workload(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t) noexcept {
  return set(r, v, {view(main_conf(r)->workload), {}, false});
}

// --- $mesh_auth_claim_<name>, $mesh_auth_header_<name> ---

/// What follows the prefix in the variable's name, which nginx has made lower case.
std::string_view rest_of_name(uintptr_t data, std::string_view prefix) {
  // nginx passes a pointer through this number.
  return view(*reinterpret_cast<const ngx_str_t*>(data))  // NOLINT(performance-no-int-to-ptr)
      .substr(prefix.size());
}

constexpr std::string_view kClaim = "mesh_auth_claim_";
constexpr std::string_view kHeader = "mesh_auth_header_";

/// A claim of the outermost object: nginx's variables know no other characters than letters, digits and '_', in any
/// case.
ngx_int_t read_claim(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t data) noexcept {
  return guarded(r->connection->log, ngx_int_t{NGX_ERROR}, [&] {
    const RequestState* state = find_state(r);
    if (!state || !state->outcome().caller) return set(r, v, {});
    const auto claims = state->outcome().caller->claims();
    if (!claims || !claims->root().is_object()) return set(r, v, {});
    const std::string_view wanted = rest_of_name(data, kClaim);
    for (const auto field : simdjson::dom::object(claims->root())) {
      if (!engine::same_header(field.key, wanted)) continue;
      const auto value = engine::header_value(claims->root(), {std::string(field.key)});
      return set(r, v, value ? Text::make(*value) : Text{});
    }
    return set(r, v, {});
  });
}

ngx_int_t read_header(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t data) noexcept {
  return guarded(r->connection->log, ngx_int_t{NGX_ERROR}, [&] {
    const RequestState* state = find_state(r);
    const Worker* worker = Worker::get();
    return set(
        r, v,
        Text::make(engine::forwarded_value(worker ? worker->snapshot() : nullptr, state ? &state->outcome() : nullptr,
                                           rest_of_name(data, kHeader), client_headers(r))));
  });
}

bool add(ngx_conf_t* cf, std::string_view name, ngx_http_get_variable_pt handler, uintptr_t data, ngx_uint_t flags) {
  ngx_str_t text = str(name);
  ngx_http_variable_t* variable = ngx_http_add_variable(cf, &text, NGX_HTTP_VAR_NOCACHEABLE | flags);
  if (!variable) return false;
  variable->get_handler = handler;
  variable->data = data;
  return true;
}

}  // namespace

ngx_int_t add_variables(ngx_conf_t* cf) noexcept {
  bool added = add(cf, "mesh_auth_workload", read_workload, 0, 0) && add(cf, "mesh_auth_log", read_log, 0, 0) &&
               add(cf, "mesh_auth_traceparent", read_traceparent, 0, 0) &&
               add(cf, kClaim, read_claim, 0, NGX_HTTP_VAR_PREFIX) &&
               add(cf, kHeader, read_header, 0, NGX_HTTP_VAR_PREFIX);
  for (std::size_t i = 0; i < std::size(kVariables); ++i) {
    added = added && add(cf, kVariables[i].name, read_variable, i, 0);
  }
  return added ? NGX_OK : NGX_ERROR;
}

}  // namespace meshauth::nginx
