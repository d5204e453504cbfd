"""A small shop on the node: an application behind a sidecar, a development provider, a client, and a steady load."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from harness import tools
from harness.namespace import Namespace
from harness.resources import ANYONE, access_policy, caller, identity_provider, rule
from harness.wait import await_until
from node import pods
from node.place import Place

NAME = "shop"
ISSUER = f"https://dev-idp.{NAME}.svc.cluster.local:8444"
ORDERS = f"http://orders.{NAME}.svc.cluster.local"
_CLIENT_PORT = 7000
# What the load asks for without end, by the port of its count. `naked` must never be let in: it shows no token.
LOAD = {"open": ("/open", 7001), "shut": ("/shut", 7002), "edge": ("/edge", 7003), "naked": ("/orders/1", 7004)}


class Shop:
    def __init__(self, node: Place, images: dict[str, str]) -> None:
        """`images`: the names of ours, by `sidecar`, `cli` and `box`."""
        self.node = node
        self.box = images["box"]
        self._images = images
        self.ns: Namespace = node.cluster.namespace(NAME, {"pod-security.kubernetes.io/enforce": "restricted"})

    def open(self) -> None:
        """Returns when all pods are Ready and both resources are in force."""
        self.ns.apply([self._provider_pod(), pods.service("dev-idp", 8444), *self._orders(), self._client(), self._load()])
        self.await_ready("pod/dev-idp")
        self.ns.accepts(
            identity_provider(
                "dev",
                issuer=ISSUER,
                audiences=["orders"],
                tls={"caBundle": self.provider("GET", "ca.pem").text},
                rotation={"refreshInterval": "10s", "minRefetchInterval": "1s"},
            )
        )
        to = lambda path: [{"paths": [path]}]  # noqa: E731
        read = caller("dev", scopes={"all": ["orders:read"]})
        self.ns.accepts(
            access_policy(
                "orders", workloads=["orders"], rules=[rule("read", read, to=to("/orders/**")), rule("open", ANYONE, to=to("/open"))]
            )
        )
        self.set_edge(False)
        self.await_ready("deployment/orders", "Available")
        for pod in ("load", "client"):
            self.await_ready(f"pod/{pod}")
        for policy in ("orders", "edge"):
            self.ns.await_condition("accesspolicy", policy, "Programmed", within=60)
        assert self.first_answer("/shut") == 403

    def add(self, workload: str) -> None:
        """A workload like `orders`."""
        self.ns.apply(self._with_images(_example().replace("orders", workload)))

    def add_cut_off(self, workload: str) -> None:
        """A workload like `orders`, whose agent asks for its operator where nobody listens."""
        text = _example().replace("orders", workload)
        operator, nobody = "https://mesh-auth-operator.mesh-auth-system.svc:8443", "https://127.0.0.1:9"
        assert operator in text, "the example names its operator differently by now"
        self.ns.apply(self._with_images(text.replace(operator, nobody)))

    def set_edge(self, allowed: bool) -> None:
        """Whether anyone may ask for /edge: one PATCH, or the policy's making."""
        path = "/edge" if allowed else "/nothing"
        made = access_policy("edge", workloads=["orders"], rules=[rule("edge", ANYONE, to=[{"paths": [path]}])])
        if self.ns.find("accesspolicy", "edge"):
            self.ns.edit("accesspolicy", "edge", {"spec": made["spec"]})
        else:
            self.ns.accepts(made)

    def change_edge(self, within: float = 60) -> None:
        """Edits the policy, and awaits that the edit is enforced."""
        allowed = self.ask("/edge") != 200
        self.set_edge(allowed)
        self.await_answer(200 if allowed else 403, "/edge", within=within)

    def use_sidecar(self, image: str) -> None:
        """Of `orders`; returns when all its pods run it, and with a new load: requests of the one before may wait for pods that are gone."""
        kubectl = self.node.cluster.kubectl
        kubectl("set", "image", "-n", NAME, "deployment/orders", f"mesh-auth={image}")
        kubectl("rollout", "status", "-n", NAME, "deployment/orders", "--timeout=90s", timeout=100)
        await_until("the pods before are gone", lambda: len(self.ns.list("pod", "?labelSelector=app=orders")) == 1, within=60)
        kubectl("delete", "-n", NAME, "pod/load", "--wait=true", "--timeout=30s", timeout=40)
        self.ns.apply(self._load())
        self.await_ready("pod/load")
        for name in LOAD:
            await_until(f"{name} was answered", lambda: self.counted(name)["changes"], within=30)

    def await_ready(self, what: str, condition: str = "Ready", seconds: int = 90) -> None:
        self.node.cluster.kubectl(
            "wait", "-n", NAME, what, f"--for=condition={condition}", f"--timeout={seconds}s", timeout=seconds + 10
        )

    # --- requests

    def ask(self, path: str, token: str | None = None, base: str = ORDERS) -> int:
        """The status that the client pod gets, on a connection of its own; 0: no answer."""
        question = {"url": base + path, "headers": [f"Authorization: Bearer {token}"] if token else []}
        where = f"/api/v1/namespaces/{NAME}/pods/http:client:{_CLIENT_PORT}/proxy/"
        answer = self.node.cluster.api("POST", where, question)
        assert answer.status == 200, f"the client pod could not ask: {answer.status} {answer.text[:200]}"
        return answer.json()["status"]

    def first_answer(self, path: str, base: str = ORDERS, within: float = 30) -> int:
        """Of who shows no token: a Service leads to its pod a little later than that is Ready."""
        return await_until(f"somebody answers at {base}", lambda: self.ask(path, base=base), within)

    def await_answer(self, status: int, path: str, token: str | None = None, within: float = 30) -> None:
        def answers() -> bool:
            got = self.ask(path, token)
            assert got == status, f"{path}: {got}"
            return True

        await_until(f"orders answers {status} to {path}", answers, within)

    def counted(self, name: str) -> dict[str, Any]:
        """What a part of the load has seen: {"requests", "statuses": {"200": N}, "failures", "changes"}."""
        path = f"/api/v1/namespaces/{NAME}/pods/http:load:{LOAD[name][1]}/proxy/"
        answer = self.node.cluster.api("GET", path)
        assert answer.status == 200, f"{path}: {answer.status} {answer.text[:200]}"
        return answer.json()

    def count_all(self) -> dict[str, dict[str, Any]]:
        """Of the parts whose answer no edit changes."""
        return {name: self.counted(name) for name in ("open", "shut", "naked")}

    def since(self, before: dict[str, dict[str, Any]]) -> dict[str, dict[int, int]]:
        """How often each status came since count_all() gave `before`."""
        return {name: since(counted, self.counted(name)) for name, counted in before.items()}

    # --- the provider

    def provider(self, method: str, path: str, body: Any = None) -> Any:
        def answered() -> Any:
            answer = self.node.cluster.api(method, f"/api/v1/namespaces/{NAME}/services/https:dev-idp:8444/proxy/{path}", body)
            # So says the API server, before anybody has got the request: a Service knows of its pods a little later than they are ready.
            assert "no endpoints available" not in answer.text, answer.text
            return answer

        answer = await_until("the provider's Service has an endpoint", answered, within=30)
        assert answer.status == 200, f"{method} {path}: {answer.status} {answer.text[:200]}"
        return answer

    def token(self, scope: str = "orders:read") -> str:
        claims = {"sub": "ann", "aud": "orders", "scope": scope}
        return self.provider("POST", "token", {"claims": claims, "expiresIn": 3600}).json()["access_token"]

    def time_rotation(self, path: str, *bases: str, within: float = 60) -> list[float]:
        """Seconds from the provider's change of its key until `path` takes tokens of the new one and none of the one before, at each base."""
        old = self.token()
        for base in bases:
            assert self.ask(path, old, base) == 200
        began = time.monotonic()
        self.provider("POST", "rotate?drop=old")
        new = self.token()

        def seen(base: str) -> float:
            both = lambda: (self.ask(path, new, base), self.ask(path, old, base)) == (200, 401)  # noqa: E731
            await_until("the new key counts, and the old one no more", both, within, every=0.05)
            return time.monotonic() - began

        with ThreadPoolExecutor(len(bases)) as pool:
            return list(pool.map(seen, bases))

    # --- pods

    def _orders(self) -> list[dict[str, Any]]:
        """The example, with the images of this run."""
        return self._with_images(_example())

    def _with_images(self, text: str) -> list[dict[str, Any]]:
        documents = list(yaml.safe_load_all(text))
        images = {"application": self.box, "mesh-auth": self._images["sidecar"]}
        for container in documents[0]["spec"]["template"]["spec"]["containers"]:
            container["image"] = images[container["name"]]
        return documents

    def _provider_pod(self) -> dict[str, Any]:
        args = ["dev-idp", "--listen=0.0.0.0:8444", f"--issuer={ISSUER}", "--state=/state/keys"]
        probe = {"httpGet": {"path": "/ca.pem", "port": 8444, "scheme": "HTTPS"}, "periodSeconds": 1}
        container = pods.container("dev-idp", self._images["cli"], args)
        container |= {"readinessProbe": probe, "volumeMounts": [{"name": "state", "mountPath": "/state"}]}
        return pods.pod("dev-idp", [container], [{"name": "state", "emptyDir": {}}])

    def _client(self) -> dict[str, Any]:
        return pods.pod("client", [pods.container("client", self.box, ["client", f"0.0.0.0:{_CLIENT_PORT}"])])

    def _load(self) -> dict[str, Any]:
        parts = [(name, ["load", f"0.0.0.0:{port}", ORDERS + path]) for name, (path, port) in LOAD.items()]
        return pods.pod("load", [pods.container(name, self.box, args) for name, args in parts])


def _example() -> str:
    return (tools.REPO / "examples" / "sidecar" / "orders.yaml").read_text()


def since(before: dict[str, Any], after: dict[str, Any]) -> dict[int, int]:
    """How often each status came between two counts."""
    return {int(s): n - before["statuses"].get(s, 0) for s, n in after["statuses"].items() if n > before["statuses"].get(s, 0)}
