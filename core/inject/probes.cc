#include "core/inject/probes.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/text.h"
#include "core/inject/names.h"
#include "core/inject/shape.h"

namespace meshauth::inject {
namespace {

using nlohmann::json;

constexpr std::string_view kFlag = "--probe=";
constexpr std::size_t kMostProbeBytes = 4096;

/// Where in a container something is asked, and how its address is called.
struct Kind {
  std::string_view path;  ///< the last part of /probe/CONTAINER/KIND
  std::string_view holder, name;
};
constexpr Kind kKinds[] = {{"liveness", "", "livenessProbe"},
                           {"readiness", "", "readinessProbe"},
                           {"startup", "", "startupProbe"},
                           {"poststart", "lifecycle", "postStart"},
                           {"prestop", "lifecycle", "preStop"}};

json* handler_of(json& container, const Kind& kind) {
  json* holder = &container;
  if (!kind.holder.empty()) {
    const auto at = container.find(kind.holder);
    if (at == container.end() || !at->is_object()) return nullptr;
    holder = &*at;
  }
  const auto at = holder->find(kind.name);
  return at == holder->end() || !at->is_object() ? nullptr : &*at;
}

/// A port as a probe names it: a number, or the name of one of the container's.
std::optional<int> number_of(const json& container, const json& port) {
  if (port.is_number_integer()) return port.get<int>();
  const json* ports = member(container, "ports");
  if (!port.is_string() || ports == nullptr) return {};
  for (const json& entry : *ports) {
    const json* number = member(entry, "containerPort");
    if (text_at(entry, "name") == port.get_ref<const std::string&>() && number != nullptr &&
        number->is_number_integer())
      return number->get<int>();
  }
  return {};
}

/// The application's port behind one that the sidecar takes.
std::optional<std::uint16_t> captured(const std::vector<PortMap>& ports, int port) {
  for (const PortMap& map : ports) {
    if (map.application == port || map.listen == port) return map.application;
  }
  return {};
}

/// What `$` means in the arguments of a container: $(NAME) is replaced, $$ is one.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '$' ? "$$" : std::string(1, c);
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '$') ++i;
  }
  return out;
}

struct Rewriter {
  const Wishes& wishes;
  std::vector<std::string> flags;

  Status probe(json& container, const Kind& kind) {
    json* handler = handler_of(container, kind);
    if (handler == nullptr) return {};
    const std::string where = fmt::format("container {}: {}", in_quotes(text_at(container, "name")), kind.name);
    for (const char* action : {"httpGet", "tcpSocket", "grpc"}) {
      const auto at = handler->find(action);
      if (at == handler->end() || !at->is_object()) continue;
      const json* port = member(*at, "port");
      // With a host it asks somebody else.
      if (port == nullptr || !text_at(*at, "host").empty()) continue;
      const auto number = number_of(container, *port);
      const auto application = number ? captured(wishes.ports, *number) : std::nullopt;
      if (!application) continue;
      return take(container, kind, *handler, action, *application, where);
    }
    return {};
  }

  Status take(json& container, const Kind& kind, json& handler, const std::string& action, std::uint16_t application,
              const std::string& where) {
    json asked = handler.at(action);
    const bool tls = text_at(asked, "scheme") == "HTTPS";
    if (action == "grpc" || tls) {
      return fail(
          "{}: it asks port {}, which the sidecar takes, over {}, which the sidecar does not speak to probes; httpGet "
          "without TLS, tcpSocket or exec would be right, or another port, or annotation {}: Keep",
          where, application, tls ? "TLS" : "gRPC", kProbesAnnotation);
    }
    asked["port"] = application;
    json original{{action, std::move(asked)}};
    const json* timeout = member(handler, "timeoutSeconds");
    // As the API server fills it in; a hook has none, and may take as long as the pod's grace usually is.
    original["timeoutSeconds"] = timeout != nullptr ? *timeout : json(kind.holder.empty() ? 1 : 30);
    const std::string name = fmt::format("{}/{}", text_at(container, "name"), kind.path);
    std::string text = original.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > kMostProbeBytes)
      return fail("{}: it has {} bytes; at most {} can be passed on", where, text.size(), kMostProbeBytes);
    flags.push_back(fmt::format("{}{}={}", kFlag, name, escaped(text)));
    handler.erase(action);
    handler["httpGet"] = {{"path", "/probe/" + name}, {"port", kHealthPort}, {"scheme", "HTTP"}};
    return {};
  }
};

json* container_named(json& pod, std::string_view name) {
  for (const std::string_view list : kContainerLists) {
    const auto at = pod["spec"].find(list);
    if (at == pod["spec"].end() || !at->is_array()) continue;
    for (json& container : *at) {
      if (text_at(container, "name") == name) return &container;
    }
  }
  return nullptr;
}

bool is_rewritten(const json& handler, std::string_view name) {
  const json* get = member(handler, "httpGet");
  return get != nullptr && text_at(*get, "path") == fmt::format("/probe/{}", name);
}

Status restore_one(json& pod, std::string_view flag) {
  const auto refused = [&] {
    return fail("the sidecar that the pod has carries {}, which is no --probe of ours; remove the container {}",
                in_quotes(flag), kSidecarName);
  };
  const auto slash = flag.find('/'), equals = flag.find('=');
  if (slash == std::string_view::npos || equals == std::string_view::npos || slash > equals ||
      flag.size() > 3 * kMostProbeBytes)
    return refused();
  const auto name = flag.substr(0, equals), path = flag.substr(slash + 1, equals - slash - 1);
  const json original = json::parse(unescaped(flag.substr(equals + 1)), nullptr, false);
  if (!original.is_object()) return refused();
  json* container = container_named(pod, flag.substr(0, slash));
  if (container == nullptr) return {};  // somebody took it out since
  for (const Kind& kind : kKinds) {
    if (kind.path != path) continue;
    json* handler = handler_of(*container, kind);
    if (handler == nullptr || !is_rewritten(*handler, name)) return {};  // somebody gave it another one since
    handler->erase("httpGet");
    for (const char* action : {"httpGet", "tcpSocket"}) {
      if (const json* asked = member(original, action); asked != nullptr) (*handler)[action] = *asked;
    }
    return {};
  }
  return refused();
}

}  // namespace

Result<std::vector<std::string>> rewrite_probes(json& pod, const Wishes& wishes) {
  Rewriter rewriter{wishes, {}};
  if (wishes.probes == Probes::Keep) return rewriter.flags;
  for (const std::string_view list : kContainerLists) {
    const auto at = pod["spec"].find(list);
    if (at == pod["spec"].end() || !at->is_array()) continue;
    for (json& container : *at) {
      for (const Kind& kind : kKinds) {
        if (auto done = rewriter.probe(container, kind); !done) return tl::unexpected(done.error());
      }
    }
  }
  return rewriter.flags;
}

Status restore_probes(json& pod, const json& sidecar) {
  const json* arguments = member(sidecar, "args");
  if (arguments == nullptr || !arguments->is_array()) return {};
  for (const json& argument : *arguments) {
    if (!argument.is_string()) continue;
    const std::string_view text = argument.get_ref<const std::string&>();
    if (!text.starts_with(kFlag)) continue;
    if (auto restored = restore_one(pod, text.substr(kFlag.size())); !restored) return restored;
  }
  return {};
}

}  // namespace meshauth::inject
