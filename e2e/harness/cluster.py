"""A cluster as a test sees it: kubectl, a quick read-only view, and temporary namespaces.

Ours by default. A foreign one only when E2E_KUBECONFIG names its file and E2E_CONTEXT repeats the file's current
context; KUBECONFIG is never looked at.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from harness import client, control_plane, tools
from harness.control_plane import ControlPlane
from harness.kubectl import Kubectl, as_yaml
from harness.namespace import Namespace
from harness.resources import KINDS
from harness.supervisor import Process, Supervisor


class ForeignClusterRefused(Exception):
    """The environment names a foreign cluster without confirming it."""


class Cluster:
    def __init__(self, kubectl: Kubectl, socket: Path, proxy: Process, plane: ControlPlane | None) -> None:
        self.kubectl = kubectl
        self.plane = plane  # None: somebody else's cluster, with controllers of its own
        self._socket = socket
        self._proxy = proxy

    @property
    def server(self) -> str:
        if self.plane:
            return self.plane.server
        return self.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")

    def api(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> client.Answer:
        """One call of the API as the administrator, through `kubectl proxy` on a socket only we can reach."""
        return client.request(
            method,
            "http://localhost" + path,
            unix_socket=self._socket,
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type} if body is not None else {},
        )

    def find(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The object as it is now, or None. Cheap enough to call in a loop."""
        answer = self.api("GET", KINDS[kind].path(namespace, name))
        if answer.status == 404:
            return None
        assert answer.status == 200, f"reading {kind} {namespace}/{name}: {answer.status} {answer.text}"
        return answer.json()

    def list(self, kind: str, namespace: str | None = None, query: str = "") -> list[dict[str, Any]]:
        answer = self.api("GET", KINDS[kind].path(namespace) + query)
        assert answer.status == 200, f"listing {kind}: {answer.status} {answer.text}"
        return answer.json()["items"]

    def apply(self, manifest: str | dict | list[dict]) -> str:
        return self.kubectl("apply", "--server-side", "-f", "-", stdin=as_yaml(manifest))

    def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> Namespace:
        """A namespace with its default service account, made if it is not there."""
        space = Namespace(self, name)
        space.create(labels or {})
        return space

    @contextlib.contextmanager
    def temporary_namespace(
        self, prefix: str = "e2e", labels: Mapping[str, str] | None = None
    ) -> Iterator[Namespace]:
        space = self.namespace(f"{prefix}-{secrets.token_hex(3)}", labels)
        try:
            yield space
        finally:
            space.remove()


def start(supervisor: Supervisor, folder: Path) -> Cluster:
    """The cluster of this run."""
    kubeconfig, context = foreign_cluster(os.environ)
    plane = None
    if kubeconfig is None:
        plane = control_plane.start(supervisor, folder / "control-plane")
        kubeconfig = plane.kubeconfig
    kubectl = Kubectl(tools.kube("kubectl"), kubeconfig, home=folder, context=context)
    socket = folder / "api.sock"
    proxy = supervisor.start(
        "kubectl-proxy",
        kubectl.argv("proxy", f"--unix-socket={socket}"),
        env={"HOME": str(folder)},
        ready=lambda: client.get("http://localhost/readyz", unix_socket=socket).status == 200,
    )
    return Cluster(kubectl, socket, proxy, plane)


def foreign_cluster(environment: Mapping[str, str]) -> tuple[Path | None, str | None]:
    """(kubeconfig, context) of the foreign cluster that the environment names and confirms, else (None, None)."""
    name = environment.get("E2E_KUBECONFIG")
    wanted = environment.get("E2E_CONTEXT")
    if not name:
        if wanted:
            raise ForeignClusterRefused("E2E_CONTEXT is set but E2E_KUBECONFIG is not: set both, or neither")
        return None, None
    file = Path(name).absolute()
    if not file.is_file():
        raise ForeignClusterRefused(f"E2E_KUBECONFIG={name}: there is no such file")
    current = (yaml.safe_load(file.read_text()) or {}).get("current-context")
    if not wanted or wanted != current:
        raise ForeignClusterRefused(
            f"E2E_KUBECONFIG={name} has the current context {current!r}, but E2E_CONTEXT is {wanted!r}. "
            "These tests write to the cluster; to allow that, set E2E_CONTEXT to the same name"
        )
    return file, wanted
