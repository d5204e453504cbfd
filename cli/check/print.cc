#include "cli/check/print.h"

#include "operator/kube/object.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

constexpr int kIndent = 2;

std::size_t count(const std::vector<Finding>& findings, Severity severity) {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(), [&](const Finding& f) { return f.severity == severity; }));
}

std::size_t live(const World& world) {
  return static_cast<std::size_t>(std::count_if(world.pods.value.begin(), world.pods.value.end(), is_live));
}

/// Text from a cluster can hold what a terminal would obey.
std::string plain(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string dump(const json& value) {
  return value.dump(kIndent, ' ', false, json::error_handler_t::replace) + "\n";
}

json object_json(const ObjectName& object) {
  json out = json::object();
  if (!object.kind.empty()) out["kind"] = object.kind;
  if (!object.ns.empty()) out["namespace"] = object.ns;
  if (!object.name.empty()) out["name"] = object.name;
  return out;
}

std::string revision_cell(const std::string& revision) {
  return revision.empty() ? "<none>" : revision.substr(0, 12);
}

/// Ages of what the operator told are by its clock.
std::optional<Seconds> age_of(const World& world, const Sidecar& sidecar) {
  if (!world.fleet || !sidecar.acked) return std::nullopt;
  return std::max(Seconds(0), Seconds(world.fleet->time - *sidecar.acked));
}

json sidecar_json(const World& world, const Sidecar& sidecar) {
  json out{{"namespace", sidecar.ns},
           {"workload", sidecar.workload},
           {"pod", sidecar.pod},
           {"state", to_string(sidecar.state)}};
  const auto put = [&](const char* name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  };
  put("node", sidecar.node);
  put("revision", sidecar.revision);
  put("currentRevision", sidecar.current_revision);
  put("detail", sidecar.detail);
  if (sidecar.acked) out["ackTime"] = format_time(*sidecar.acked);
  if (const auto age = age_of(world, sidecar)) out["ageSeconds"] = age->count();
  if (sidecar.connection) out["connectionTime"] = format_time(*sidecar.connection);
  if (sidecar.skew) out["skewSeconds"] = *sidecar.skew;
  return out;
}

/// What to do about all findings of one id; what is to be done about several at once is said once.
std::string remedies(Id id, const std::vector<const Finding*>& findings) {
  std::string out = fmt::format("\n{}: {}\n", kind_of(id).id, kind_of(id).meaning), last;
  for (std::size_t i = 0; i < std::min(findings.size(), kMostRows); ++i) {
    std::string remedy = findings[i]->remedy();
    if (remedy != last) out += "  " + plain(remedy) + "\n";
    last = std::move(remedy);
  }
  if (findings.size() > kMostRows)
    out += fmt::format("  and {} more; -o json has them all\n", findings.size() - kMostRows);
  return out + "  See " + findings.front()->link() + "\n";
}

}  // namespace

std::string findings_json(const World& world, const std::vector<Finding>& findings) {
  json list = json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"id", kind_of(finding.id).id},
                    {"severity", to_string(finding.severity)},
                    {"object", object_json(finding.object)},
                    {"found", finding.found},
                    {"remedy", finding.remedy()},
                    {"link", finding.link()}});
  }
  json out{{"time", format_time(world.now)},
           {"server", world.server},
           {"serverVersion", world.server_version},
           {"version", world.program_version},
           {"checked",
            {{"identityProviders", world.providers.value.size()},
             {"accessPolicies", world.policies.value.size()},
             {"sidecars", live(world)},
             {"injectedPods", std::count_if(world.injectable.value.begin(), world.injectable.value.end(), is_live)}}},
           {"summary",
            {{"error", count(findings, Severity::Error)},
             {"warning", count(findings, Severity::Warning)},
             {"info", count(findings, Severity::Info)}}},
           {"findings", std::move(list)}};
  if (!world.ns.empty()) out["namespace"] = world.ns;
  return dump(out);
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      out += plain(row[i]) + (last ? "" : std::string(widths[i] + 3 - width(row[i]), ' '));
    }
    out += '\n';
  }
  return out;
}

std::string findings_table(const std::vector<Finding>& findings) {
  if (findings.empty()) return "";
  std::vector<std::vector<std::string>> rows{{"SEVERITY", "ID", "OBJECT", "FOUND"}};
  std::map<Id, std::vector<const Finding*>> by_id;
  std::vector<Id> order;
  for (const Finding& finding : findings) {
    auto& same = by_id[finding.id];
    if (same.empty()) order.push_back(finding.id);
    same.push_back(&finding);
    if (same.size() > kMostRows) continue;
    rows.push_back({std::string(to_string(finding.severity)), std::string(kind_of(finding.id).id),
                    finding.object.text(), finding.found});
  }
  std::string out = table(rows);
  for (const Id id : order) out += remedies(id, by_id.at(id));
  return out;
}

std::string summary(const World& world, const std::vector<Finding>& findings) {
  const auto n = [](std::size_t number, const char* what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
  };
  return fmt::format("checked {} ({}){}: {}, {}, {}. Found: {}, {}, {} info\n", world.server, world.server_version,
                     world.ns.empty() ? "" : " in namespace " + world.ns,
                     n(world.providers.value.size(), "identity provider"),
                     world.policies.value.size() == 1 ? "1 access policy"
                                                      : fmt::format("{} access policies", world.policies.value.size()),
                     n(live(world), "sidecar"), n(count(findings, Severity::Error), "error"),
                     n(count(findings, Severity::Warning), "warning"), count(findings, Severity::Info));
}

std::string sidecars_json(const World& world, const std::vector<Sidecar>& sidecars) {
  json list = json::array();
  for (const Sidecar& sidecar : sidecars) list.push_back(sidecar_json(world, sidecar));
  json out{{"time", format_time(world.now)}, {"server", world.server}, {"sidecars", std::move(list)}};
  if (world.fleet) out["operatorTime"] = format_time(world.fleet->time);
  return dump(out);
}

std::string sidecars_table(const World& world, const std::vector<Sidecar>& sidecars) {
  if (sidecars.empty()) return "";
  std::vector<std::vector<std::string>> rows{{"NAMESPACE", "WORKLOAD", "POD", "NODE", "REVISION", "AGE", "STATE"}};
  for (const Sidecar& sidecar : sidecars) {
    const auto age = age_of(world, sidecar);
    std::string state(to_string(sidecar.state));
    if (sidecar.state == State::Refused && !sidecar.detail.empty()) state += ": " + sidecar.detail;
    rows.push_back({sidecar.ns, sidecar.workload, sidecar.pod, sidecar.node.empty() ? "<none>" : sidecar.node,
                    revision_cell(sidecar.revision), age ? age_text(*age) : "<none>", state});
  }
  return table(rows);
}

}  // namespace meshauth::cli::check
