"""nginx as the agent configures it: templates/nginx.conf.mustache, with what a test needs to see put in."""

import hashlib
import json
import os
import re

from flavours import AskedAgent
from harness import MODULE, TEMPLATES, WORKLOAD, Nginx, free_port, wait_until

# What was decided, told in each answer: an answer and its decision cannot be mixed up.
DECIDED = "$mesh_auth_decision;$mesh_auth_reason;$mesh_auth_policy;$mesh_auth_rule;$mesh_auth_audit_decision;$mesh_auth_audit_rule"
SHOW = f'add_header X-Decided "{DECIDED}" always;'


def mustache(text, values):
    """The part of Mustache that our templates use: sections over lists and booleans, and plain values."""

    def section(match):
        value = values.get(match[1])
        inner = match[2]
        if isinstance(value, list):
            return "".join(mustache(inner, {**values, **item}) for item in value)
        return mustache(inner, values) if value else ""

    text = re.sub(r"[ \t]*\{\{#(\w+)\}\}\n?(.*?)\{\{/\1\}\}\n?", section, text, flags=re.S)
    return re.sub(r"\{\{(\w+)\}\}", lambda m: str(values[m[1]]) if m[1] in values else m[0], text)


def auth_conf(*headers, flavour="Module"):
    """auth.conf as the operator renders it for these headers."""
    rows = [{"header": h.lower(), "variable": "mesh_auth_header_" + h.lower().replace("-", "_")} for h in headers]
    return mustache((TEMPLATES / "auth.conf.mustache").read_text(), {"headers": rows, "asked": flavour == "AuthRequest"})


def digest(conf):
    lines = [line for line in conf.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


def replaced(text, old, new):
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the template"
    return text.replace(old, new)


REFUSALS = {401: "Unauthorized", 403: "Forbidden", 500: "Internal Server Error"}


def refusals():
    """What a stock nginx answers for the agent."""
    bodies = {status: json.dumps({"code": status, "message": text}, separators=(",", ":")) for status, text in REFUSALS.items()}
    same = {"body_type": "application/json"}
    return [{**same, "status": s, "name": f"refused_{s}", "challenged": s == 403, "body": json.dumps(b)} for s, b in bodies.items()]


def rendered(root, folder, http1, identity="", grpc=None, server="", http="", workers=1, flavour="Module", shipped=False, **more):
    """Text and ports of a configuration. http1 and grpc: ports of upstreams. identity: the auth.conf of the bundle. Beside
    the port of HTTP/1 there is one that speaks HTTP/2 to clients and HTTP/1 to the same application. shipped: audit.log has
    the lines that the agent's own configuration writes, and no others; answers do not say what was decided."""
    agent = root / "agent"
    (agent / "temporary").mkdir(parents=True, exist_ok=True)
    (agent / "auth.conf").write_text(identity)
    (agent / "auth.grpc.conf").write_text(identity.replace("proxy_set_header", "grpc_set_header"))
    directive = "mesh_auth_conf" if flavour == "Module" else "proxy_set_header Mesh-Auth-Conf"
    (agent / "auth.digest.conf").write_text(f"{directive} {digest(identity)};\n")
    ports = {kind: free_port() for kind in ("http1", "h2", "grpc")}
    servers = [
        {"listen": f"127.0.0.1:{ports['http1']}", "application": f"127.0.0.1:{http1}", "http1": True},
        {"listen": f"127.0.0.1:{ports['h2']} http2", "application": f"127.0.0.1:{http1}", "http1": True},
        {"listen": f"127.0.0.1:{ports['grpc']}", "application": f"127.0.0.1:{grpc}", "grpc": True},
    ]
    servers = servers if grpc else servers[:2]
    for i, one in enumerate(servers):
        one.update(metadata=False, port=8080, upstream=f"application_{i}", http1=one.get("http1", False), grpc=one.get("grpc", False))
    temporary = {f"temporary_{kind}": agent / "temporary" / kind for kind in ("body", "proxy", "fastcgi", "uwsgi", "scgi")}
    values = {
        "has_user": os.geteuid() == 0,
        "user": "root",
        "workers": workers,
        "files": 4096,
        "connections": 1024,
        "pid_file": root / "nginx.pid",
        "module": MODULE,
        "bundle_dir": folder.path,
        "trust_file": folder.trust,
        "workload": WORKLOAD,
        "agent": f"unix:{root}/agent.sock",
        "auth_conf": agent / "auth.conf",
        "auth_grpc_conf": agent / "auth.grpc.conf",
        "auth_digest_conf": agent / "auth.digest.conf",
        "token_cache": "16m",
        "audit_allowed": 0,
        "mode": "on",
        "preflight": "decide",
        "error_body": "json",
        "by_module": flavour == "Module",
        "by_agent": flavour == "AuthRequest",
        "decisions": f"unix:{root}/ask/decide.sock",
        "refusals": refusals(),
        "client_keepalive": "10m",
        "metadata_path": "",
        "metadata_file": "",
        "servers": servers,
        **temporary,
        **more,
    }
    text = mustache((TEMPLATES / "nginx.conf.mustache").read_text(), values)
    assert "{{" not in text, "a tag of the template that the tests do not know"
    text = replaced(text, "daemon off;\n", "")
    text = replaced(text, "error_log stderr warn;", f"error_log {root}/error.log info;")
    asked = "log" if flavour == "Module" else "logged"
    if not shipped and flavour == "Module":
        text = replaced(text, "mesh_auth_log_phase needed;", "")
    if shipped:
        return replaced(text, "access_log /dev/stdout mesh_auth", f"access_log {root}/audit.log mesh_auth"), ports
    # A location with an add_header of its own inherits none.
    challenge = "add_header WWW-Authenticate $mesh_auth_challenge always;"
    text = text.replace(challenge, f"{challenge} {SHOW}")
    text = replaced(text, f"access_log /dev/stdout mesh_auth if=$mesh_auth_{asked};", f"access_log {root}/audit.log mesh_auth; {SHOW} {logged(root)} {http}")
    if server:
        text = text.replace('server_name "";', f'server_name ""; {server}')
    return text, ports


def logged(root):
    """A line for each request, for answers whose headers nobody reads."""
    form = f"$remote_port.$connection_requests;$status;{DECIDED}"
    return f"log_format decided '{form}'; access_log {root}/decided.log decided;"


class DecidedLog:
    """What decided.log says of a request, which is known by its client's port and its number on that connection."""

    def __init__(self, root):
        self.file, self.rest, self.lines = (root / "decided.log").open(), "", {}

    def _whole_lines(self):
        """nginx may be in the middle of the last one."""
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        return lines

    def _find(self, port, number):
        for line in self._whole_lines():
            key, status, text = line.split(";", 2)
            self.lines[key] = int(status), Decided(text)
        return self.lines.pop(f"{port}.{number}", None)

    def forget(self):
        """What was said so far: ports of clients come again."""
        self._whole_lines()
        self.lines.clear()

    def of(self, port, number):
        """(status, Decided), once the request has ended."""
        return wait_until(lambda: self._find(port, number), f"the line of request {number} from port {port}")


class AskingNginx(Nginx):
    """A stock nginx, and the agent that it asks."""

    def __init__(self, root, folder, conf, port, *flags):
        super().__init__(root, conf, port)
        assert "load_module" not in conf
        self.agent = AskedAgent(root, folder, *flags)

    def start(self):
        self.agent.start()
        return super().start()

    def stop(self):
        return super().stop() + self.agent.stop()


def start(root, folder, http1, flavour="Module", **parts):
    """A running nginx, with `ports` of its servers."""
    text, ports = rendered(root, folder, http1, flavour=flavour, **parts)
    flags = [f"--{name.replace('_', '-')}={parts[name]}" for name in ("path_allow", "audit_allowed") if name in parts]
    nginx = Nginx(root, text, ports["http1"]) if flavour == "Module" else AskingNginx(root, folder, text, ports["http1"], *flags)
    nginx.ports, nginx.flavour = ports, flavour
    return nginx.start()


class Decided:
    """What the module decided; all empty where nginx refused before it was asked."""

    @classmethod
    def of(cls, answer):
        return cls(answer.header("x-decided") or ";;;;;")

    def __init__(self, text):
        # A variable that nobody has set is "-" in nginx's log.
        parts = ["" if part == "-" else part for part in text.split(";")]
        self.decision, self.reason, self.policy, self.rule, self.audit, self.audit_rule = parts

    def __repr__(self):
        return f"{self.decision or 'nothing'} {self.reason} by {self.policy}:{self.rule}"
