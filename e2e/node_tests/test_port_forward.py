"""kubectl port-forward: it ends at 127.0.0.1 in the pod, and so at the application where its sidecar holds the pod's address alone."""

from __future__ import annotations

import contextlib
import re

import pytest

from harness.wait import await_until
from node import pods, settings

_WORKLOAD = "forwarded"


@pytest.fixture
def injected(shop):
    """A pod with a sidecar by injection, Explicit, both on port 8080."""
    application = pods.container("app", settings.SANDBOX, ["serve", "127.0.0.1:8080"])
    pod = pods.pod(_WORKLOAD, [application | {"ports": [{"containerPort": 8080}]}])
    pod["metadata"]["labels"] = {"meshauth.dev/inject": "enabled", "meshauth.dev/workload": _WORKLOAD}
    shop.ns.apply(pod)
    shop.await_ready(f"pod/{_WORKLOAD}")
    yield shop.ns.get("pod", _WORKLOAD)
    shop.ns.delete("pod", _WORKLOAD)


@contextlib.contextmanager
def _forwarded(node, supervisor, shop, what, port):
    """Where it listens, on the node."""
    kubectl = node.cluster.kubectl
    argv = kubectl.argv("port-forward", "-n", shop.ns.name, what, f":{port}")
    process = supervisor.start("port-forward", argv, env=kubectl.environment())
    try:
        told = await_until("it forwards", lambda: re.search(r"Forwarding from (127\.0\.0\.1:\d+)", process.output()), within=30)
        yield f"http://{told[1]}"
    finally:
        supervisor.stop(process)


def _status(node, url):
    done = node.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", f"{url}/orders/7")
    return int(done.stdout)


def test_it_reaches_an_injected_application_past_its_sidecar(node, supervisor, shop, injected):
    assert _status(node, f"http://{injected['status']['podIP']}:8080") == 403, "nobody may ask it"
    with _forwarded(node, supervisor, shop, f"pod/{_WORKLOAD}", 8080) as url:
        assert _status(node, url) == 200


def test_where_the_sidecar_has_every_address_it_is_the_sidecar_that_answers(node, supervisor, shop):
    with _forwarded(node, supervisor, shop, "deployment/orders", 8080) as url:
        assert _status(node, url) == 401
    with _forwarded(node, supervisor, shop, "deployment/orders", 8000) as url:
        assert _status(node, url) == 200, "the application's own port is still there"
