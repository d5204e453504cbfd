"""Applications whose sidecars come by injection, and who asks them from outside of their namespaces."""

from __future__ import annotations

from typing import Any

import yaml

from harness import tools
from harness.namespace import Namespace
from harness.resources import access_policy, caller, identity_provider, rule
from harness.wait import await_until
from node import pods
from node.load import CLOSE, Load
from node.shop import ISSUER, Shop

_FOLDER = tools.REPO / "examples" / "injection"
_DRAIN = 10  # seconds; longer than the node needs to take an ending pod out of its Service, also where 19 end at once
_LOAD = "load-meshed"


class Meshed:
    """The example `orders`, whose application listens on 127.0.0.1 alone."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.kubectl = shop.node.cluster.kubectl
        [made] = yaml.safe_load_all((_FOLDER / "namespace.yaml").read_text())
        self.name = made["metadata"]["name"]
        self.ns: Namespace = shop.node.cluster.namespace(self.name, made["metadata"]["labels"])
        self.url = f"http://orders.{self.name}.svc.cluster.local"
        self._early = f"http://orders-early.{self.name}.svc.cluster.local"

    def open(self) -> None:
        """Returns when the application is Ready behind its sidecar and the policy is in force."""
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "orders"}}
        self.ns.apply([account, *self._example(), self._early_service()])
        self.allow(self.ns, "orders")
        self.await_available(1)
        self.ns.await_condition("accesspolicy", "orders", "Programmed", within=60)
        self.await_answer(401, self.url)

    def await_answer(self, status: int, base: str, token: str | None = None) -> None:
        """To a request for an order."""

        def answers() -> bool:
            got = self.shop.ask("/orders/7", token, base=base)
            assert got == status, f"it answers {got}"
            return True

        await_until(f"{base} answers {status}", answers, within=60)

    def allow(self, space: Namespace, workload: str) -> None:
        """Who reads orders may read this workload's; nothing else is allowed there."""
        bundle = self.shop.provider("GET", "ca.pem").text
        space.accepts(identity_provider("dev", issuer=ISSUER, audiences=["orders"], tls={"caBundle": bundle}))
        read = caller("dev", scopes={"all": ["orders:read"]})
        to = [{"paths": ["/orders/**"]}]
        space.accepts(access_policy(workload, workloads=[workload], rules=[rule("read", read, to=to)]))

    def pods(self) -> list[dict[str, Any]]:
        """Those that are to stay."""
        return [pod for pod in self.ns.list("pod", "?labelSelector=app=orders") if "deletionTimestamp" not in pod["metadata"]]

    def scale(self, number: int) -> None:
        self.kubectl("scale", "-n", self.name, "deployment/orders", f"--replicas={number}")

    def restart(self) -> None:
        self.kubectl("rollout", "restart", "-n", self.name, "deployment/orders")
        self.kubectl("rollout", "status", "-n", self.name, "deployment/orders", "--timeout=90s", timeout=100)

    def await_available(self, number: int, within: float = 90) -> None:
        """That many pods, all of them Ready; none that is still ending."""

        def available() -> bool:
            seen = self.ns.list("pod", "?labelSelector=app=orders")
            ready = [p for p in seen if "deletionTimestamp" not in p["metadata"] and is_ready(p)]
            assert len(seen) == len(ready) == number, f"{len(seen)} pods, {len(ready)} of them Ready and not ending"
            return True

        await_until(f"{number} pods of orders are available", available, within, every=0.1)

    # --- a load

    def begin_load(self, token: str) -> None:
        """Asks for a protected path without end, from the shop's namespace."""
        bearer = f"Authorization: Bearer {token}"
        # Without a token also those that are not Ready yet are asked, and those that end.
        parts = {"naked": [self._early, CLOSE], "fresh": [self.url, bearer, CLOSE], "kept": [self.url, bearer]}
        self._load = Load(self.shop, _LOAD, {name: [base + "/orders/1", *headers] for name, (base, *headers) in parts.items()})
        self._load.begin()

    def end_load(self) -> None:
        self._load.end()

    def counted(self, name: str) -> dict[str, Any]:
        """As the shop's. `naked` without a token on a connection for each request, `fresh` with it, `kept` on connections that are kept."""
        return self._load.counted(name)

    # --- manifests

    def _example(self) -> list[dict[str, Any]]:
        """With the program of the tests in it, one pod, and an account of its own."""
        deployment, *others = yaml.safe_load_all((_FOLDER / "orders.yaml").read_text())
        deployment["spec"]["replicas"] = 1
        spec = deployment["spec"]["template"]["spec"]
        [application] = spec["containers"]
        assert application["args"] == ["--listen=127.0.0.1:8080"], "the example's application listens elsewhere by now"
        application |= {"image": self.shop.box, "args": ["serve", "127.0.0.1:8080"], "lifecycle": {"preStop": {"sleep": {"seconds": _DRAIN}}}}
        application["readinessProbe"]["periodSeconds"] = 1
        spec["serviceAccountName"] = "orders"
        spec["terminationGracePeriodSeconds"] = _DRAIN + 6  # the longer it is, the later a namespace looks again for what ends in it
        return [deployment, *others]

    def _early_service(self) -> dict[str, Any]:
        """Leads to pods from the moment that they have an address, Ready or not."""
        spec = {"selector": {"app": "orders"}, "ports": [{"port": 80, "targetPort": "http"}], "publishNotReadyAddresses": True}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "orders-early"}, "spec": spec}


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
