"""All the parts on this machine, in standalone mode: provider, operator, agent with nginx, application."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Any

from gateway import Gateway, Wrong
from harness.ports import free_port, is_listening
from harness.supervisor import Process, Supervisor
from journal import Journal
from provider import Provider, Token

REPO = Path(__file__).resolve().parent.parent
WORKLOAD = "shop/orders"
_MANIFESTS = REPO / "demo/manifests"


class Mesh:
    def __init__(self, supervisor: Supervisor, build: Path, state: Path) -> None:
        self._supervisor = supervisor
        self._build = build
        self.state = state
        self.manifests = state / "manifests"
        self.output = state / "output"
        self.bundle = state / "bundle"
        ports = [free_port() for _ in range(6)]
        self.gateway_port, self.upstream_port, self.agent_port, self.fleet_port, self.metrics_port, idp_port = ports
        self.provider = Provider(idp_port, state / "provider")
        self.operator_log = Journal(supervisor.logs / "operator.log")
        self.agent_log = Journal(supervisor.logs / "agent.log")
        self.gateway = Gateway(self.gateway_port, self.agent_log)
        self.processes: dict[str, Process] = {}

    def start(self) -> None:
        self._copy_manifests_of_policies()
        self.start_upstream()
        self.start_provider()
        ca = textwrap.indent(self.provider.ca_file.read_text().strip(), " " * 6)
        text = (_MANIFESTS / "provider.yaml").read_text()
        self.save("provider.yaml", Template(text).substitute(issuer=self.provider.issuer, ca=ca))
        self.start_operator()
        self._start_agent()

    def _copy_manifests_of_policies(self) -> None:
        self.manifests.mkdir(parents=True)
        for name in ("orders.yaml", "users.yaml"):
            shutil.copy(_MANIFESTS / name, self.manifests / name)

    # --- the parts ---

    def start_upstream(self) -> None:
        self._start(
            "upstream",
            [sys.executable, REPO / "demo/upstream.py", str(self.upstream_port)],
            lambda: is_listening(self.upstream_port),
        )

    def start_provider(self) -> None:
        address = f"127.0.0.1:{self.provider.port}"
        argv = [self.program("meshauthctl"), "dev-idp", "--listen", address, "--state", self.state / "provider"]
        self._start("provider", argv, lambda: is_listening(self.provider.port) and self.provider.ca_file.exists())

    def start_operator(self, wait: bool = True) -> None:
        argv = [
            self.program("mesh-auth-operator"),
            f"--source={self.manifests}",
            f"--output={self.output}",
            f"--fleet-listen=127.0.0.1:{self.fleet_port}",
            f"--metrics-listen=127.0.0.1:{self.metrics_port}",
            f"--templates={REPO / 'templates'}",
            "--provider-allow-loopback",
            "--log-format=json",
        ]
        ready = lambda: _answers(f"http://127.0.0.1:{self.metrics_port}/readyz")  # noqa: E731
        self._start("operator", argv, ready if wait else None)

    def _start_agent(self) -> None:
        argv: list[str | Path] = [
            self.program("mesh-auth-agent"),
            "--workload", WORKLOAD,
            "--instance", "demo",
            "--operator", f"https://127.0.0.1:{self.fleet_port}",
            "--token-file", self.output / "private/token",
            "--trust", self.output / "trust.json",
            "--bundle-dir", self.bundle,
            "--map", f"127.0.0.1:{self.gateway_port}:127.0.0.1:{self.upstream_port}",
            "--module", self._build / "modules/ngx_http_mesh_auth_module.so",
            "--templates", REPO / "templates",
            "--health-listen", f"127.0.0.1:{self.agent_port}",
            "--audit-allowed", "1",
            "--log-format", "json",
        ]  # fmt: skip
        if nginx := os.environ.get("MESH_AUTH_NGINX"):
            argv += ["--nginx", nginx]
        self._start("agent", argv, lambda: _answers(f"http://127.0.0.1:{self.agent_port}/readyz"))

    def kill(self, name: str) -> None:
        """SIGKILL, without a word before."""
        self.processes[name].kill()

    def program(self, name: str) -> Path:
        return self._build / "bin" / name

    def _start(self, name: str, argv: list[str | Path], ready: Callable[[], bool] | None) -> None:
        self.processes[name] = self._supervisor.start(name, argv, ready=ready)

    # --- files ---

    def text(self, name: str) -> str:
        return (self.manifests / name).read_text()

    def save(self, name: str, text: str) -> None:
        """In one step, as an editor does: the operator sees the whole file."""
        draft = self.manifests / f".{name}.new"
        draft.write_text(text)
        draft.rename(self.manifests / name)

    def edited(self, name: str, old: str, new: str) -> str:
        text = self.text(name)
        if text.count(old) != 1:
            raise Wrong(f"{name} does not say {old!r} once")
        return text.replace(old, new)

    # --- what the operator says ---

    def status(self, kind: str, name: str) -> dict[str, Any]:
        status: dict[str, Any] = json.loads((self.output / "status" / kind / "shop" / f"{name}.json").read_text())
        return status

    def explain(self, method: str, path: str, token: Token) -> list[str]:
        """What `meshauthctl explain` makes of the manifests, offline: the decision, then every rule."""
        argv = [self.program("meshauthctl"), "explain", "-f", self.manifests, "--workload", WORKLOAD]
        argv += ["--method", method, "--path", path, "--claims", "-", "--provider", "shop/dev"]
        done = subprocess.run(argv, input=json.dumps(token.claims), text=True, capture_output=True, timeout=20)
        if not done.stdout:
            raise Wrong(f"meshauthctl explain: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def condition(self, kind: str, name: str, wanted: str) -> dict[str, str]:
        found: dict[str, str] = next(c for c in self.status(kind, name)["conditions"] if c["type"] == wanted)
        return found


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as response:
            return int(response.status) == 200
    except urllib.error.HTTPError:
        return False


def await_until(wanted: Callable[[], bool], within: float, what: str) -> None:
    end = time.monotonic() + within
    while not wanted():
        if time.monotonic() > end:
            raise Wrong(f"{what} did not happen within {within:g} s")
        time.sleep(0.005)
