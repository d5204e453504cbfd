"""A sidecar as a local process: mesh-auth-agent with nginx and our module as its child, before an application."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from harness import client, procfs, tools
from harness.kubectl import write_private
from harness.namespace import Namespace, Pod
from harness.ports import free_port
from harness.supervisor import Process, Supervisor
from harness.wait import await_until

TRUST = "meshauth.trust"


class Sidecar:
    def __init__(
        self,
        supervisor: Supervisor,
        folder: Path,
        pod: Pod,
        operator_url: str,
        application: int,
        *flags: str,
        port: int | None = None,
        token_seconds: int = 3600,
        trust: Path | None = None,
    ) -> None:
        """trust: a file that somebody else keeps as it is in the cluster; by default it is written at each start."""
        folder.mkdir(parents=True, exist_ok=True)
        self.pod = pod
        self.folder = folder
        self.port = port or free_port()
        self._token_seconds = token_seconds
        self._trust = trust
        self.health_port = free_port()
        self.bundle_dir = folder / "bundle"
        self.bundle_dir.mkdir(exist_ok=True)
        self._supervisor = supervisor
        self._operator_url = operator_url
        self._application = application
        self._flags = flags
        self.process: Process | None = None

    def argv(self) -> list[str]:
        return [
            str(tools.program("mesh-auth-agent")),
            f"--workload={self.pod.space.name}/{self.pod.workload}",
            f"--operator={self._operator_url}",
            f"--token-file={self.folder / 'token'}",
            f"--trust={self._trust or self.folder / 'trust.json'}",
            f"--bundle-dir={self.bundle_dir}",
            f"--nginx={tools.nginx()}",
            f"--module={tools.nginx_module()}",
            f"--templates={tools.REPO / 'templates'}",
            f"--health-listen=127.0.0.1:{self.health_port}",
            f"--map=127.0.0.1:{self.port}:127.0.0.1:{self._application}",
            *self._flags,
        ]

    def start(self) -> None:
        """Starts it with a fresh token of its pod; returns when nginx listens. It may have no bundle yet."""
        write_private(self.folder / "token", self.pod.token(seconds=self._token_seconds))
        if not self._trust:
            write_trust(self.pod.space, self.folder / "trust.json")
        self.process = self._supervisor.start(
            self.log.stem, self.argv(), cwd=self.folder, ready=lambda: self.ask("/").status > 0
        )

    def stop(self) -> None:
        if self.process:
            self._supervisor.stop(self.process)
            self.process = None

    # --- requests

    def ask(
        self,
        path: str = "/",
        token: str | None = None,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: str | None = None,
    ) -> client.Answer:
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        return client.request(method, f"http://127.0.0.1:{self.port}{path}", headers=sent, body=body)

    def answers(self, status: int, path: str = "/", token: str | None = None, **options: Any) -> client.Answer:
        """Asserts the status of one request, now."""
        answer = self.ask(path, token, **options)
        assert answer.status == status, (
            f"{options.get('method', 'GET')} {path}: expected {status}, got {answer.status} {answer.headers} "
            f"{answer.text[:300]}\n{self.why()}"
        )
        return answer

    def await_answer(
        self, status: int, path: str = "/", token: str | None = None, within: float = 15.0, **options: Any
    ) -> client.Answer:
        what = f"{self.pod.workload} answers {status} to {options.get('method', 'GET')} {path}"
        return await_until(what, lambda: self.answers(status, path, token, **options), within)

    def raw(self, request: bytes) -> bytes:
        return client.send_raw(self.port, request)

    # --- what it says

    def is_ready(self) -> bool:
        try:
            return client.get(f"http://127.0.0.1:{self.health_port}/readyz", timeout=5).status == 200
        except OSError:
            return False

    def decisions(self) -> list[dict[str, Any]]:
        """Audit lines so far: one JSON object per decided request that was logged."""
        found = []
        # The last line may be half written.
        whole, _, _ = (self.process.output() if self.process else "").rpartition("\n")
        for line in whole.splitlines():
            if line.startswith("{") and '"decision"' in line:
                found.append(json.loads(line))
        return found

    @property
    def log(self) -> Path:
        return self._supervisor.logs / f"sidecar-{self.pod.name}.log"

    def why(self) -> str:
        """The last decision, for a failure's message."""
        last = self.decisions()[-1:]
        return f"its last decision: {last}\n" + (self.process.tail(8) if self.process else "it does not run")

    def await_reason(self, reason: str, within: float = 5.0) -> dict[str, Any]:
        """Waits until the newest audit line has that reason."""

        def newest() -> dict[str, Any]:
            lines = self.decisions()
            assert lines and lines[-1].get("reason") == reason, lines[-1:]
            return lines[-1]

        return await_until(f"the newest audit line has the reason {reason}", newest, within)

    def revision(self) -> str:
        """Of the bundle in force."""
        return (self.bundle_dir / "current").resolve().name

    def nginx_pids(self) -> set[int]:
        assert self.process
        return set(procfs.session_members(self.process.pid)) - {self.process.pid}


def write_trust(space: Namespace, path: Path) -> None:
    """The trust file as it is mounted from ConfigMap meshauth.trust."""
    trust = space.await_exists("configmap", TRUST)
    path.write_text(trust["data"]["trust.json"])


def mount_config_map(config_map: dict[str, Any], folder: Path) -> None:
    """Lays a ConfigMap into a folder as kubelet does: files behind a link that is swapped."""
    version = folder / f"..{config_map['metadata']['resourceVersion']}"
    version.mkdir(parents=True, exist_ok=True)
    for name, text in config_map.get("data", {}).items():
        (version / name).write_text(text)
    for name, encoded in config_map.get("binaryData", {}).items():
        (version / name).write_bytes(base64.b64decode(encoded))
    swap = folder / "..data_tmp"
    swap.symlink_to(version.name)
    swap.rename(folder / "..data")
    for name in [*config_map.get("data", {}), *config_map.get("binaryData", {})]:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}")
