"""What the tests of injection must notice: see tools/mutants.py. Each takes one check away."""

# (file, text that is there once, text in its place, what it breaks)
MUTANTS = [
    # who gets a sidecar
    ("inject.cc", 'if (value == "disabled") return false;', "", "opting out"),
    ("inject.cc", "if (!*asked) return out;", "", "pods that nobody asked for"),
    ("inject.cc", '&& name.ends_with("-" + hash))', ")", "a name that does not end with the hash"),
    ("inject.cc", "if (model::fits(model::kDnsLabel, name)) return name;", "return name;", "a workload's name of any form"),
    # what it cannot be put into
    ("inject.cc", "host != nullptr && *host == true", "false", "hostNetwork"),
    ("inject.cc", '!restart.empty() && restart != "Always"', "false", "a container in a Job"),
    ("inject.cc", 'level->second != "privileged"', "false", "Transparent where the level forbids it"),
    ("inject.cc", 'level->second != "privileged"', 'level->second == "restricted"', "Transparent at level baseline"),
    # names of ours
    ("inject.cc", "if (!injected) return fail(\"spec.{}: the name", "if (false) return fail(\"spec.{}: the name", "a container of our name"),
    ("inject.cc", "if (ours != volumes->end() && !injected)", "if (false)", "a volume of our name"),
    ("inject.cc", "return restore_probes(pod, sidecar);", "return {};", "probes that another webhook added"),
    # annotations
    ("wishes.cc", "if (name == kInjectLabel || name == kWorkloadLabel)", "if (false)", "labels written as annotations"),
    ("wishes.cc", "if (name.starts_with(kPrefix) && !known) {", "if (false) {", "annotations that are not known"),
    ("wishes.cc", "|| text.starts_with('0')) return {};", ") return {};", "port 0 and leading zeros"),
    ("wishes.cc", "if (text.size() > kMostPortsText)", "if (false)", "an annotation of any size"),
    ("wishes.cc", "if (out.size() == kMostPorts)", "if (false)", "any number of ports"),
    ("wishes.cc", "if (map.listen == kHealthPort || map.application == kHealthPort)", "if (false)", "the sidecar's own port"),
    ("wishes.cc", "if (ports[j].listen == map.listen)", "if (false)", "a port listened on twice"),
    ("wishes.cc", "if (ports[j].application == map.application)", "if (false)", "an application's port twice"),
    ("wishes.cc", "if (other.application == map.listen && other.listen != map.listen)", "if (false)", "a port that is both"),
    ("wishes.cc", "if (!annotation.empty() && !label.empty() && annotation != label) {", "if (false) {", "two flavours"),
    ("wishes.cc", "if (!flavour || *flavour == model::Flavour::NginxPlus)", "if (!flavour)", "NginxPlus by label"),
    # probes
    ("probes.cc", 'if (action == "grpc" || tls) {', "if (false) {", "probes that the agent does not speak"),
    ("probes.cc", '!text_at(*at, "host").empty()', "false", "probes of another host"),
    ("probes.cc", "if (text.size() > kMostProbeBytes)", "if (false)", "a probe of any size"),
    ("probes.cc", "map.application == port || map.listen == port", "map.application == port", "probes of the sidecar's port"),
    ("probes.cc", "c == '$' ? \"$$\"", "c == '$' ? \"$\"", "variables in a probe"),
    ("probes.cc", "if (!original.is_object()) return refused();", "if (!original.is_object()) return {};", "flags that are not ours"),
    # Services that go past it
    ("pod_ports.cc", "if (annotation.size() > kMostBytes)", "if (false)", "an annotation of any size, as the operator reads it"),
    ("pod_ports.cc", 'list == kContainerLists[0] || text_at(container, "restartPolicy") == "Always"', "true", "ports of containers that end"),
    ("services.cc", "if (tcp && map.listen == *number)", "if (map.listen == *number)", "a port of another protocol"),
    ("services.cc", 'if (text_at(*spec, "type") == "ExternalName")', "if (false)", "a selector without effect"),
    # the container
    ("sidecar.cc", '{"allowPrivilegeEscalation", false}', '{"allowPrivilegeEscalation", true}', "level restricted"),
    ("sidecar.cc", '{"optional", true}', '{"optional", false}', "a record that is not there yet"),
    ("sidecar.cc", '{{"audience", "mesh-auth"}', '{{"audience", "other"}', "the token's audience"),
]
