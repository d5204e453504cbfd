#include "core/policy/change.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/json_number.h"
#include "core/base/text.h"
#include "core/policy/path.h"
#include "core/policy/pattern.h"

namespace meshauth::policy {
namespace {

using nlohmann::json;
using Strings = std::vector<std::string>;

template <class T>
bool has(const std::vector<T>& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool host_in(const Strings& patterns, const std::string& host) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return HostPattern(p).matches(host); });
}

bool path_in(const Strings& patterns, const Strings& segments) {
  const Path path{segments};
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return PathPattern(p).matches(path); });
}

/// The first of `some`, then of `others`, that fits; else it stays.
template <class T, class Fits>
void pick(std::vector<T> some, const std::vector<std::type_identity_t<T>>& others, T& into, const Fits& fits) {
  some.insert(some.end(), others.begin(), others.end());
  const auto found = std::find_if(some.begin(), some.end(), fits);
  if (found != some.end()) into = *found;
}

std::string scalar_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_primitive() && !value.is_null() ? value.dump() : "";
}

class Changer {
 public:
  Changer(Change& out, json& claims, const model::Rule& rule) : out_(out), claims_(claims), rule_(rule) {}

  void make(const std::string& field) {
    const auto open = field.find('['), close = field.find(']');
    const std::string list = field.substr(0, open), rest = field.substr(close + 1);
    const std::size_t index = std::stoul(field.substr(open + 1, close - open - 1));
    if (list == "from") from(rule_.from[index], rest);
    if (list == "to") to(rule_.to[index], rest);
    if (list == "when") when(rule_.when[index]);
  }

 private:
  Change::Identity& identity(const std::string& provider) {
    for (Change::Identity& known : out_.identities) {
      if (known.provider == provider) return known;
    }
    return nobody_;
  }

  void from(const model::From& from, const std::string& field) {
    const std::string id = from.provider->id();
    if (field == ".identityProvider") {
      if (claims_.is_null()) claims_ = json::object();
      if (&identity(id) == &nobody_) out_.identities.push_back({id, "", "", {}, {}, {}});
    }
    Change::Identity& who = identity(id);
    if (field == ".subjects") {
      who.subject = from.subjects.front();
      std::erase(who.subject, '*');
      if (who.subject.empty()) who.subject = "somebody";
    }
    if (field == ".clients") who.client = from.clients.front();
    list(field, ".scopes", from.scopes, who.scopes);
    list(field, ".groups", from.groups, who.groups);
    list(field, ".roles", from.roles, who.roles);
    if (field.starts_with(".claims[")) claim(from.claims[std::stoul(field.substr(8))]);
  }

  static void list(const std::string& field, const std::string& name, const model::ListMatch& wanted, Strings& given) {
    if (field == name + ".all") given.insert(given.end(), wanted.all.begin(), wanted.all.end());
    if (field == name + ".any") given.push_back(wanted.any.front());
  }

  void claim(const ClaimCondition& condition) {
    switch (condition.op) {
      case ClaimOperator::NotExists:
        return set(condition.path, nullptr);
      case ClaimOperator::NotIn:
      case ClaimOperator::Exists:
        return set(condition.path, "something else");
      case ClaimOperator::Contains:
        return set(condition.path, condition.values);
      default:
        return set(condition.path, condition.values.front());
    }
  }

  /// value: null takes the claim away.
  void set(const Strings& path, const json& value) {
    json* at = &claims_;
    for (const std::string& name : path) {
      if (!at->is_object()) *at = json::object();
      if (&name == &path.back() && value.is_null()) {
        at->erase(name);
        return;
      }
      at = &(*at)[name];
    }
    *at = value;
  }

  void to(const model::To& to, const std::string& field) {
    if (field == ".methods" || field == ".notMethods") {
      pick(to.methods, {"GET", "PUT", "PURGE"}, out_.method, [&](const std::string& method) {
        return (to.methods.empty() || has(to.methods, method)) && !has(to.not_methods, method);
      });
    } else if (field == ".hosts" || field == ".notHosts") {
      Strings some = to.hosts;
      for (std::string& host : some) host = normalize_host(host[0] == '*' ? "q" + host.substr(1) : host).value_or(host);
      pick(some, {"free.test", "q.q.q.com"}, out_.host, [&](const std::string& host) {
        return (to.hosts.empty() || host_in(to.hosts, host)) && !host_in(to.not_hosts, host);
      });
    } else if (field == ".ports" || field == ".notPorts") {
      pick(to.ports, {1, 2}, out_.port,
           [&](std::uint16_t port) { return (to.ports.empty() || has(to.ports, port)) && !has(to.not_ports, port); });
    } else {
      path(to);
    }
  }

  /// What the variable of a path is compared with, as the caller's claims are by now.
  std::string wanted_of(const std::string& variable) const {
    for (const model::When& when : rule_.when) {
      const auto* condition = std::get_if<model::PathVariableCondition>(&when);
      if (condition == nullptr || condition->variable != variable) continue;
      const json* at = &claims_;
      for (const std::string& name : condition->equals_claim) {
        if (!at->is_object() || !at->contains(name)) return "";
        at = &at->at(name);
      }
      return scalar_text(*at);
    }
    return "";
  }

  /// A path of the pattern; `filler` where anything would do.
  Strings filled(const std::string& text, const std::string& filler, bool with_rest) const {
    Strings out;
    for (const std::string_view piece : split(std::string_view(text).substr(1), '/')) {
      if (piece == "**") {
        if (with_rest) out.push_back(filler);
      } else if (piece.starts_with('{')) {
        const std::string wanted = wanted_of(std::string(piece.substr(1, piece.size() - 2)));
        out.push_back(wanted.empty() ? filler : wanted);
      } else {
        out.emplace_back(piece == "*" ? filler : piece);
      }
    }
    return out;
  }

  void path(const model::To& to) {
    std::vector<Strings> some;
    for (const char* filler : {"q", "alice", "b"}) {
      for (const std::string& pattern : to.paths) {
        some.push_back(filled(pattern, filler, false));
        some.push_back(filled(pattern, filler, true));
      }
    }
    pick(some, {{"q"}, {""}, {"q", "q"}, {"q", "q", "q", ""}}, out_.segments, [&](const Strings& segments) {
      return (to.paths.empty() || path_in(to.paths, segments)) && !path_in(to.not_paths, segments);
    });
  }

  void when(const model::When& when) {
    if (const auto* source = std::get_if<model::SourceIpCondition>(&when)) out_.source = source->blocks.front().base;
    if (const auto* header = std::get_if<model::HeaderCondition>(&when))
      out_.headers[header->name] = header->values.front();
    const auto* variable = std::get_if<model::PathVariableCondition>(&when);
    if (variable == nullptr) return;
    for (const model::To& to : rule_.to) {
      for (const std::string& text : to.paths) {
        const PathPattern pattern(text);
        const auto at = pattern.variable(variable->variable);
        if (!at || !pattern.matches(Path{out_.segments})) continue;
        if (claims_.is_null()) claims_ = json::object();
        return set(variable->equals_claim, out_.segments[*at]);
      }
    }
  }

  Change& out_;
  json& claims_;
  const model::Rule& rule_;
  Change::Identity nobody_;
};

}  // namespace

Change changed(const Principal& principal, const Request& request, const model::Rule& rule,
               const std::vector<Failure>& failures) {
  static const Strings kNothing;
  const auto copy = [](const Strings* list) { return list == nullptr ? kNothing : *list; };
  Change out;
  for (const Identity& it : principal.identities) {
    out.identities.push_back({std::string(it.provider), std::string(it.subject), std::string(it.client),
                              copy(it.scopes), copy(it.groups), copy(it.roles)});
  }
  json claims;
  if (principal.claims)
    claims = json::parse(with_representable_numbers(simdjson::to_string(*principal.claims)), nullptr, false);
  out.method = request.method;
  out.host = request.host;
  out.segments = request.path->segments;
  out.port = request.port;
  out.source = request.source;
  Changer changer(out, claims, rule);
  for (const Failure& failure : failures) changer.make(failure.field);
  if (!claims.is_null()) out.claims = claims.dump();
  return out;
}

}  // namespace meshauth::policy
