"""One namespace under the operator's care, and what a person and a cluster would do in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from harness import upstream
from harness.namespace import Namespace
from harness.operator import Operator
from harness.pki import Authority
from harness.resources import access_policy, identity_provider
from harness.sidecar import Sidecar
from harness.supervisor import Supervisor


class Issues(Protocol):
    """A provider: the certified one or the scripted one."""

    issuer: str
    authority: Authority


class Mesh:
    def __init__(self, supervisor: Supervisor, folder: Path, space: Namespace, operator: Operator) -> None:
        self.ns = space
        self.operator = operator
        self.supervisor = supervisor
        self.folder = folder
        self._sidecars: list[Sidecar] = []

    def provider(self, issues: Issues, name: str = "idp", **spec: Any) -> None:
        """Applies an IdentityProvider for it."""
        settings = {
            "issuer": issues.issuer,
            "audiences": ["api://orders"],
            "tls": {"caBundle": issues.authority.pem},
            # As quick as the schema allows, so that a test sees the next fetch.
            "rotation": {"refreshInterval": "10s", "minRefetchInterval": "1s"},
        }
        self.ns.accepts(identity_provider(name, **{**settings, **spec}))

    def policy(self, name: str, *rules: dict[str, Any], **spec: Any) -> None:
        self.ns.accepts(access_policy(name, rules=list(rules), **spec))

    def sidecar(
        self,
        workload: str = "orders",
        *flags: str,
        labels: dict[str, str] | None = None,
        trust: Path | None = None,
        operator_url: str | None = None,
    ) -> Sidecar:
        """A running pod of the workload with its sidecar and an application that echoes."""
        pod = self.ns.create_pod(workload, labels=labels)
        application = upstream.start(self.supervisor)
        url = operator_url or self.operator.fleet_url
        made = Sidecar(self.supervisor, self.folder / pod.name, pod, url, application, *flags, trust=trust)
        self._sidecars.append(made)
        made.start()
        return made

    def ready(self, kind: str, name: str, **expected: Any) -> dict[str, Any]:
        return self.ns.await_condition(kind, name, "Ready", **expected)

    def close(self) -> None:
        for sidecar in self._sidecars:
            sidecar.stop()
