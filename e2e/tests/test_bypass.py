"""Services that lead past a sidecar: what the policies of the workload say about it, and that it goes away with its cause."""

from __future__ import annotations

import time

import pytest

from harness.resources import ANYONE, KINDS, WORKLOAD_LABEL, rule

pytestmark = pytest.mark.operator

PORTS = '{"capture":"Explicit","names":{"http":8081,"metrics":9100},"ports":"8080:8081"}'


def _service(name, *ports, selector=None):
    spec = {"selector": selector or {"app": "orders"}, "ports": list(ports)}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _port(port, target):
    return {"name": f"p{port}", "port": port, "targetPort": target}


def _pod(space, workload="orders", annotation=PORTS):
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{workload}-1",
            "labels": {WORKLOAD_LABEL: workload, "app": workload},
            "annotations": {"meshauth.dev/injected": annotation} if annotation else {},
        },
        "spec": {"automountServiceAccountToken": False, "containers": [{"name": "app", "image": "localhost/none:1"}]},
    }
    answer = space.cluster.api("POST", KINDS["pod"].path(space.name), manifest)
    assert answer.status == 201, answer.text


def _bypassable(space, status, policy="readers", **expected):
    return space.await_condition("accesspolicy", policy, "Bypassable", status, **expected)


@pytest.fixture
def orders(mesh):
    """A policy of workload orders, and an injected pod of it."""
    _pod(mesh.ns)
    mesh.policy("readers", rule("all", ANYONE), workloads=["orders"])
    _bypassable(mesh.ns, "False", reason="SidecarOwnsPorts")
    return mesh.ns


def test_a_service_to_the_application_is_named_and_forgotten_within_a_second_of_its_mending(orders):
    orders.accepts(_service("orders", _port(80, 8081)))
    found = _bypassable(
        orders, "True", reason="ServiceReachesApplication",
        says=(f"Service {orders.name}/orders, port 80: targetPort 8081 is the application's own", "8080 would be right"),
    )
    assert f"Workload {orders.name}/orders" in found["message"]
    # It is said where it is looked for, and needs nobody to wait for it.
    assert orders.await_condition("accesspolicy", "readers", "Ready")["status"] == "True"

    time_before = time.monotonic()
    orders.edit("service", "orders", {"spec": {"ports": [_port(80, 8080)]}})
    # A status is written once a second at most, and the one above may have been just now.
    _bypassable(orders, "False", reason="SidecarOwnsPorts", within=2.0)
    print(f"mended after {time.monotonic() - time_before:.3f} s")


def test_names_of_ports_count_as_the_containers_have_them(orders):
    orders.accepts(_service("orders", _port(80, "http"), _port(81, "nobody")))
    _bypassable(orders, "True", says='port 80: targetPort "http" is the application\'s own')
    orders.accepts(_service("orders", _port(80, 8080)))
    _bypassable(orders, "False")
    orders.accepts(_service("watched", _port(9100, "metrics")))
    _bypassable(orders, "True", says='port 9100: targetPort "metrics" (TCP 9100) goes past the sidecar')
    orders.delete("service", "watched")
    _bypassable(orders, "False")


def test_only_policies_of_the_workload_are_told(orders, mesh):
    _pod(orders, "stock")
    mesh.policy("other", rule("all", ANYONE), workloads=["stock"])
    mesh.policy("all", rule("all", ANYONE))
    orders.accepts(_service("orders", _port(80, 8081)))
    _bypassable(orders, "True")
    _bypassable(orders, "True", "all", says=f"Workload {orders.name}/orders")
    _bypassable(orders, "False", "other", reason="SidecarOwnsPorts")
    # The Service now leads to the other workload.
    orders.accepts(_service("orders", _port(80, 8081), selector={"app": "stock"}))
    _bypassable(orders, "False")
    _bypassable(orders, "True", "other", says=f"Workload {orders.name}/stock")


@pytest.mark.parametrize(
    ("annotation", "says"), [(None, "was not injected"), ("Explicit", "does not say which ports")], ids=["plain", "old"]
)
def test_of_a_pod_that_does_not_say_its_ports_nothing_is_known(mesh, annotation, says):
    _pod(mesh.ns, annotation=annotation)
    mesh.policy("readers", rule("all", ANYONE), workloads=["orders"])
    mesh.ns.accepts(_service("orders", _port(80, 8081)))
    _bypassable(mesh.ns, "Unknown", reason="PortsUnknown", says=says)
