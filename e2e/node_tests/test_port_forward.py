"""kubectl port-forward: it ends at 127.0.0.1 in the pod, and so at the application where its sidecar holds the pod's address alone."""

from __future__ import annotations

import pytest

from node import pods, settings
from node.forwarding import forwarded

_WORKLOAD = "forwarded"


@pytest.fixture
def injected_pod(shop):
    """A pod with a sidecar by injection, Explicit, both on port 8080."""
    application = pods.container("app", settings.SANDBOX, ["serve", "127.0.0.1:8080"])
    pod = pods.pod(_WORKLOAD, [application | {"ports": [{"containerPort": 8080}]}])
    pod["metadata"]["labels"] = {"meshauth.dev/inject": "enabled", "meshauth.dev/workload": _WORKLOAD}
    shop.ns.apply(pod)
    shop.await_ready(f"pod/{_WORKLOAD}")
    yield shop.ns.get("pod", _WORKLOAD)
    shop.ns.delete("pod", _WORKLOAD)


def _status(node, url):
    done = node.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", f"{url}/orders/7")
    return int(done.stdout)


def test_it_reaches_an_injected_application_past_its_sidecar(node, supervisor, shop, injected_pod):
    assert _status(node, f"http://{injected_pod['status']['podIP']}:8080") == 403, "nobody may ask it"
    with forwarded(node, supervisor, shop.ns.name, f"pod/{_WORKLOAD}", 8080) as address:
        assert _status(node, f"http://{address}") == 200


def test_where_the_sidecar_has_every_address_it_is_the_sidecar_that_answers(node, supervisor, shop):
    with forwarded(node, supervisor, shop.ns.name, "deployment/orders", 8080) as address:
        assert _status(node, f"http://{address}") == 401
    with forwarded(node, supervisor, shop.ns.name, "deployment/orders", 8000) as address:
        assert _status(node, f"http://{address}") == 200, "the application's own port is still there"
