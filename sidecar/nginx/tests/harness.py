"""What the tests of the module need around a real nginx: a signed bundle, an upstream that tells what it got, and the
agent's socket. Everything listens on loopback, on free ports, below one temporary folder."""

import contextlib
import http.server
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
TEMPLATES = Path(os.environ.get("MESH_AUTH_TEMPLATES", REPOSITORY / "templates"))
BUILD = Path(os.environ.get("MESH_AUTH_BUILD", REPOSITORY / "build"))
MODULE = Path(os.environ.get("MESH_AUTH_MODULE", BUILD / "modules" / "ngx_http_mesh_auth_module.so"))
TOOL = BUILD / "test" / "mesh-auth-bundle-tool"
NGINX = os.environ.get("MESH_AUTH_NGINX", "/usr/sbin/nginx")
# A sanitized module: MESH_AUTH_MODULE names it, and this its runtime, which nginx itself does not have.
NGINX_ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"}
if preload := os.environ.get("MESH_AUTH_NGINX_PRELOAD"):
    NGINX_ENVIRONMENT["LD_PRELOAD"] = preload
# How much longer everything may take: under Valgrind it does.
SLOWNESS = float(os.environ.get("MESH_AUTH_SLOWNESS", "1"))
WORKLOAD = "shop/orders"


_handed_out = set()


def free_port():
    """A port of 127.0.0.1 that nobody listens on, from below those that the kernel gives to connections. Each comes once: who
    asks for two and listens on neither yet gets two."""
    while True:
        port = random.randint(15_000, 32_000)
        if port in _handed_out:
            continue
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            _handed_out.add(port)
            return port


def wait_until(condition, what, seconds=10.0):
    """Awaits a condition and returns its value; fails with what was awaited."""
    deadline = time.monotonic() + seconds * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for: {what() if callable(what) else what}")
        time.sleep(0.01)


# --- the bundle's folder, as the agent keeps it ---


class BundleFolder:
    def __init__(self, root):
        self.root = root
        self.path = root / "bundle"
        self.path.mkdir()
        self.sequence = 0
        self._tool("keys", root)
        self.trust = root / "trust.json"

    def _tool(self, *args):
        done = subprocess.run([TOOL, *args], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, *resources, workload=WORKLOAD, auth_conf=None):
        """Signs a bundle and switches `current` to it; returns its revision."""
        self.sequence += 1
        folder = self.root / "resources"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        args = ["bundle", self.path, "--key", self.root / "signing.pem", "--workload", workload]
        args += ["--sequence", str(self.sequence)]
        for i, resource in enumerate(resources):
            file = folder / f"{i}.json"
            file.write_text(json.dumps(resource))
            args += ["--resource", file]
        if auth_conf is not None:
            conf = folder / "auth.conf"
            conf.write_text(auth_conf)
            args += ["--auth-conf", conf]
        return self._tool(*args)

    def revision(self, revision):
        return self.path / "revisions" / revision

    def point_to(self, revision):
        following = self.path / "current.next"
        following.symlink_to(f"revisions/{revision}")
        following.rename(self.path / "current")

    def fresh(self, **sources):
        args = ["fresh", self.path, "--key", self.root / "signing.pem"]
        for source, unix in sources.items():
            args += ["--source", f"{source}={unix}"]
        self._tool(*args)


# --- the application behind nginx ---


class Upstream:
    """Answers every request with what it got, as JSON; to the target X-Answer-At also with the header X-Answer, "Name: value"."""

    def __init__(self):
        self.requests = []
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                size = int(self.headers.get("Content-Length") or 0)
                got = {
                    "method": self.command,
                    "target": self.path,
                    "headers": [[k.lower(), v] for k, v in self.headers.items()],
                    "body": self.rfile.read(size).decode(),
                }
                upstream.requests.append(got)
                if self.headers.get("Upgrade") == "websocket":
                    self.upgrade()
                    return
                body = json.dumps(got).encode()
                self.send_response(200)
                if self.path == self.headers.get("X-Answer-At"):
                    self.send_header(*self.headers["X-Answer"].split(": ", 1))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_POST = do_HEAD = do_PUT = do_OPTIONS = do_GET

            def upgrade(self):
                self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
                self.wfile.flush()
                self.close_connection = True
                with contextlib.suppress(OSError):
                    while data := self.connection.recv(4096):
                        self.connection.sendall(data)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class AgentSocket:
    """The socket of the agent; keeps every report, and each worker's last one by its pid."""

    def __init__(self, path):
        self.path = path
        self.reports, self.last = [], {}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(0.05)
        self.closing = False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while not self.closing:
            with contextlib.suppress(TimeoutError):
                report = json.loads(self.socket.recv(65536))
                self.reports.append(report)
                self.last[report["pid"]] = report

    def of_type(self, kind, since=0):
        return [r for r in self.reports[since:] if r["type"] == kind]

    def running(self, revision):
        """The workers whose last word is that they run this revision."""
        return {pid for pid, r in self.last.copy().items() if r.get("revision") == revision and r["type"] != "bye"}

    def close(self):
        self.closing = True
        self.thread.join()
        self.socket.close()


# --- HTTP, as bytes ---


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        return next((v for k, v in self.headers if k == name.lower()), None)

    def all(self, name):
        return [v for k, v in self.headers if k == name.lower()]

    def json(self):
        return json.loads(self.body)

    def upstream_headers(self):
        """What the upstream saw, name -> list of values."""
        seen = {}
        for name, value in self.json()["headers"]:
            seen.setdefault(name, []).append(value)
        return seen


def read_response(stream, method="GET"):
    line = stream.readline().decode()
    assert line, "the connection was closed without an answer"
    status = int(line.split()[1])
    headers = []
    while (text := stream.readline().decode().rstrip("\r\n")) != "":
        name, _, value = text.partition(":")
        headers.append((name.lower(), value.strip()))
    fields = dict(headers)
    if method == "HEAD" or status in (101, 204, 304):
        body = b""
    elif fields.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(stream.readline(), 16):
            body += stream.read(size)
            stream.readline()
        stream.readline()
    elif "content-length" in fields:
        body = stream.read(int(fields["content-length"]))
    else:
        body = stream.read()
    return Response(status, headers, body)


class Nginx:
    wrapper = ()  # a program, with arguments, that runs nginx

    def __init__(self, root, conf, port):
        self.root, self.port = root, port
        self.conf = root / "nginx.conf"
        self.conf.write_text(conf)
        self.error_log = root / "error.log"
        self.process = None

    def test(self):
        return subprocess.run(
            [NGINX, "-t", "-p", self.root, "-c", self.conf, "-e", "stderr"],
            capture_output=True,
            text=True,
            env=NGINX_ENVIRONMENT,
        )

    def start(self):
        tested = self.test()
        assert tested.returncode == 0, tested.stderr
        self.process = subprocess.Popen(
            [*self.wrapper, NGINX, "-p", self.root, "-c", self.conf, "-g", "daemon off;", "-e", self.error_log],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=NGINX_ENVIRONMENT,
        )
        wait_until(self._listens, f"nginx on port {self.port}")
        return self

    def _listens(self):
        assert self.process.poll() is None, self.process.stderr.read().decode() + self.log()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def log(self):
        return self.error_log.read_text(errors="replace") if self.error_log.exists() else ""

    def access_lines(self):
        file = self.root / "audit.log"
        *lines, _unfinished = file.read_text().split("\n") if file.exists() else [""]
        return [json.loads(line) for line in lines]

    def workers(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def raw(self, data, method="GET"):
        """Sends bytes as they are, returns the first answer."""
        with self.connect() as s:
            s.sendall(data if isinstance(data, bytes) else data.encode())
            with s.makefile("rb") as stream:
                return read_response(stream, method)

    def request(self, target="/", token=None, method="GET", headers=(), body=None, host="orders.test"):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return self.raw("\r\n".join(lines) + "\r\n\r\n" + (body or ""), method)

    def stop(self):
        """Ends it, and says what in its log must not be there."""
        if self.process is None:
            return []
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(10 * SLOWNESS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return ["nginx did not end within 10 s of SIGQUIT"]
        self.process.stderr.close()
        return [line for line in self.log().splitlines() if re.search(r"\[(alert|emerg|crit)\]", line)]


def nginx_conf(root, folder, port, upstream, server="", http="", main="", workers=1, agent=True, location="mesh_auth on;"):
    """The rendered configuration in small: one proxied location with everything of auth.conf."""
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""{user}
load_module {MODULE};
worker_processes {workers};
pid {root}/nginx.pid;
error_log {root}/error.log info;
thread_pool default threads=1;
{main}
events {{ worker_connections 512; }}
http {{
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
  uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  large_client_header_buffers 4 32k;
  mesh_auth_bundle {folder.path};
  mesh_auth_trust {folder.trust};
  mesh_auth_workload {WORKLOAD};
  {f"mesh_auth_agent unix:{root}/agent.sock;" if agent else ""}
  log_format audit escape=json '{{"decision":"$mesh_auth_decision","reason":"$mesh_auth_reason","policy":"$mesh_auth_policy",'
    '"rule":"$mesh_auth_rule","revision":"$mesh_auth_revision","issuer":"$mesh_auth_issuer","provider":"$mesh_auth_provider",'
    '"subject":"$mesh_auth_subject","client":"$mesh_auth_client","scopes":"$mesh_auth_scopes","token_id":"$mesh_auth_token_id",'
    '"workload":"$mesh_auth_workload","trace_id":"$mesh_auth_trace_id","microseconds":"$mesh_auth_microseconds",'
    '"audit_decision":"$mesh_auth_audit_decision","audit_rule":"$mesh_auth_audit_rule","log":"$mesh_auth_log",'
    '"method":"$request_method","uri":"$request_uri","status":"$status"}}';
  access_log {root}/audit.log audit;
  map $http_upgrade $upgrade {{ default ""; websocket websocket; }}
  map $http_upgrade $upgrade_connection {{ default ""; websocket upgrade; }}
  {http}
  server {{
    listen 127.0.0.1:{port};
    mesh_auth_port 8080;
    {server}
    location / {{
      {location}
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $upgrade;
      proxy_set_header Connection $upgrade_connection;
      include {folder.path}/current/auth.conf;
      proxy_pass http://127.0.0.1:{upstream};
    }}
  }}
}}
"""
