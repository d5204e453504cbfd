"""Both kinds of injected sidecars beside each other, and who asks them without a token from before they exist."""

from __future__ import annotations

import secrets
from typing import Any

from harness.resources import access_policy, caller, identity_provider, rule
from harness.wait import await_until
from node import pods
from node.load import CLOSE, Load
from node.shop import ISSUER, Shop

# By workload: what its application listens on, annotations of its pod, and the ports where a caller finds its sidecar.
_WORKLOADS: dict[str, tuple[str, dict[str, str], tuple[int, ...]]] = {
    "native": ("127.0.0.1:8080", {}, (8080,)),
    "transparent": ("0.0.0.0:8080", {"meshauth.dev/capture": "Transparent"}, (8080, 9181)),
}
# What who shows no token may get. 0: nobody listens. 503: no bundle yet, or no keys of its provider.
PROTECTED = {0, 401, 503}


class Injected:
    """One pod of each in a namespace of their own; `load` counts what their Services say to who shows no token, Ready or not."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.kubectl = shop.node.cluster.kubectl
        labels = {"meshauth.dev/inject": "enabled", "pod-security.kubernetes.io/enforce": "privileged"}
        self.ns = shop.node.cluster.namespace(f"guarded-{secrets.token_hex(3)}", labels)
        parts = {f"{name}-{port}": [f"{self._url(name, port)}/orders/1", CLOSE] for name, port in self._places()}
        self.load = Load(shop, "load-guarded", parts, early=True)

    def open(self) -> None:
        """Services and load first, so that it asks before there is a pod; returns when each lets in by the token."""
        self.ns.apply([self._service(name) for name in _WORKLOADS])
        bundle = self.shop.provider("GET", "ca.pem").text
        self.ns.accepts(identity_provider("dev", issuer=ISSUER, audiences=["orders"], tls={"caBundle": bundle}))
        read = caller("dev", scopes={"all": ["orders:read"]})
        for name in _WORKLOADS:
            self.ns.accepts(access_policy(name, workloads=[name], rules=[rule("read", read, to=[{"paths": ["/orders/**"]}])]))
        self.load.begin()
        assert set.union(*self.load.statuses().values()) == {0}, "there is nobody yet"
        self.ns.apply([self._deployment(name) for name in _WORKLOADS])
        self.await_available()

    def close(self) -> None:
        self.load.end()
        self.kubectl("delete", "namespace", self.ns.name, "--wait=false")

    def restart(self) -> None:
        """With sidecars of the operator of now; returns when they let in by the token."""
        self.begin_restart()
        self.await_available()

    def begin_restart(self) -> None:
        for name in _WORKLOADS:
            self.kubectl("rollout", "restart", "-n", self.ns.name, f"deployment/{name}")

    def await_available(self) -> None:
        for name in _WORKLOADS:
            self.kubectl("rollout", "status", "-n", self.ns.name, f"deployment/{name}", "--timeout=120s", timeout=130)
        self.await_let_in(self.shop.token())

    def await_let_in(self, token: str, within: float = 90) -> None:
        """Who has the token, and nobody without, wherever a sidecar is found and whichever of its workers answers."""
        for name, port in self._places():
            ask = lambda token=None, base=self._url(name, port): self.shop.ask("/orders/7", token, base=base)  # noqa: E731
            both = lambda ask=ask: (ask(token), ask()) == (200, 401)  # noqa: E731
            await_until(f"{name}:{port} lets in by the token alone", both, within)

    def refusals(self) -> dict[str, set[int]]:
        """By place what came to who shows no token, from before the pods existed, once that was a refusal everywhere."""

        def everywhere() -> dict[str, set[int]]:
            seen = self.load.statuses()
            assert all(401 in statuses for statuses in seen.values()), seen
            return seen

        return await_until("who shows no token is refused everywhere", everywhere, within=30)

    def pod(self, name: str) -> dict[str, Any]:
        [found] = [p for p in self.ns.list("pod", f"?labelSelector=app={name}") if "deletionTimestamp" not in p["metadata"]]
        return found

    # --- manifests

    def _places(self) -> list[tuple[str, int]]:
        return [(name, port) for name, (_, _, ports) in _WORKLOADS.items() for port in ports]

    def _url(self, name: str, port: int) -> str:
        return f"http://{name}.{self.ns.name}.svc.cluster.local:{port}"

    def _service(self, name: str) -> dict[str, Any]:
        ports = [{"name": f"p{port}", "port": port} for port in _WORKLOADS[name][2]]
        spec = {"selector": {"app": name}, "ports": ports, "publishNotReadyAddresses": True}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}

    def _deployment(self, name: str) -> dict[str, Any]:
        listen, annotations, _ = _WORKLOADS[name]
        application = pods.container("app", self.shop.box, ["serve", listen]) | {"ports": [{"containerPort": 8080}]}
        application["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
        made = pods.pod(name, [application])
        labels = {"app": name, "meshauth.dev/workload": name}
        template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": made["spec"]}
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
