"""An application with an injected sidecar in the shop's namespace, and who asks it from before it exists."""

from __future__ import annotations

import subprocess
from typing import Any

import yaml

from harness import tools
from harness.resources import access_policy, caller, rule
from harness.supervisor import clean_environment
from node import pods
from node.load import CLOSE, Load
from node.shop import Shop


class Lone:
    """One pod of a Deployment whose label asks for a sidecar, or in which `meshauthctl inject` has put one."""

    def __init__(self, shop: Shop, name: str) -> None:
        self.shop = shop
        self.name = name
        self.url = f"http://{name}.{shop.ns.name}.svc.cluster.local:8080"
        self.load: Load | None = None

    def open(self) -> None:
        self.shop.ns.apply([self._service(), self._deployment({"meshauth.dev/inject": "enabled"})])

    def open_by_hand(self, image: str) -> None:
        """What the webhook would make, without the webhook."""
        argv = [str(tools.program("meshauthctl")), "inject", "-f", "-", f"--image={image}"]
        manifest = yaml.safe_dump(self._deployment({}))
        done = subprocess.run(argv, input=manifest, capture_output=True, text=True, timeout=30, env=clean_environment())
        assert done.returncode == 0, done.stderr
        deployment, *_ = yaml.safe_load_all(done.stdout)
        self.shop.ns.apply([self._service(), deployment])

    def allow(self, *paths: str) -> None:
        """Who reads orders may ask for these paths; nothing else is allowed there."""
        read = rule("read", caller("dev", scopes={"all": ["orders:read"]}), to=[{"paths": list(paths)}])
        self.shop.ns.accepts(access_policy(self.name, workloads=[self.name], rules=[read]))

    def ask_without_end(self, token: str) -> None:
        """By `load`: "naked" without a token, "right" with it, whether the pod is Ready or not."""
        parts = {"naked": [f"{self.url}/orders/1", CLOSE], "right": [f"{self.url}/orders/1", f"Authorization: Bearer {token}", CLOSE]}
        self.load = Load(self.shop, f"load-{self.name}", parts, early=True)
        self.load.begin()

    def ask(self, path: str, token: str | None = None) -> int:
        return self.shop.ask(path, token, base=self.url)

    def pod(self) -> dict[str, Any]:
        [found] = self.shop.ns.list("pod", f"?labelSelector=app={self.name}")
        return found

    def close(self) -> None:
        if self.load:
            self.load.end()
        what = [f"{kind}/{self.name}" for kind in ("deployment", "service", "accesspolicy")]
        self.shop.node.cluster.kubectl("delete", "-n", self.shop.ns.name, *what, "--ignore-not-found", "--wait=false")

    # --- manifests

    def _service(self) -> dict[str, Any]:
        spec = {"selector": {"app": self.name}, "ports": [{"port": 8080}], "publishNotReadyAddresses": True}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": self.name}, "spec": spec}

    def _deployment(self, labels: dict[str, str]) -> dict[str, Any]:
        application = pods.container("app", self.shop.box, ["serve", "127.0.0.1:8080"]) | {"ports": [{"containerPort": 8080}]}
        application["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
        template = {"metadata": {"labels": {"app": self.name} | labels}, "spec": pods.pod(self.name, [application])["spec"]}
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": self.name}}, "template": template}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": self.name}, "spec": spec}
