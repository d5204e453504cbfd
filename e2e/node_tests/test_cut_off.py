"""A sidecar that cannot reach the operator: it starts from the record, and a touch of its pod brings it the next one."""

from __future__ import annotations

import time

import pytest

from harness.numbers import percentiles
from harness.resources import ANYONE, access_policy, caller, rule
from harness.wait import await_until
from node import pod_processes

_EDITS = 20
_ROTATIONS = 5
_USUAL = 5.0  # seconds, of half of the edits
_LIMIT = 30.0  # of each; kubelet by itself takes 60 to 90, and a silent stream counts as up for 45
_FLEET = 8443


@pytest.fixture
def archive(shop):
    """A workload like `orders`, whose agent is told of an operator that is not there."""
    shop.add_cut_off("archive")
    yield from _workload(shop, "archive")


@pytest.fixture
def vault(shop):
    """A workload like `orders`."""
    shop.add("vault")
    yield from _workload(shop, "vault")


def _workload(shop, name):
    yield f"http://{name}.shop.svc.cluster.local"
    shop.node.cluster.kubectl("delete", "-n", "shop", f"deployment/{name}", f"service/{name}", f"accesspolicy/{name}", "--wait=true")


def _policy(workload, path):
    """Anyone may ask for the path, and who reads orders for /orders."""
    read = rule("read", caller("dev", scopes={"all": ["orders:read"]}), to=[{"paths": ["/orders/**"]}])
    return access_policy(workload, workloads=[workload], rules=[read, rule("one", ANYONE, to=[{"paths": [path]}])])


def _time_edit(shop, workload, base, path, before):
    """Seconds until the path is open, and the one that was open before is not."""
    began = time.monotonic()
    shop.ns.edit("accesspolicy", workload, {"spec": _policy(workload, path)["spec"]})
    await_until("the edit is enforced", lambda: shop.ask(path, base=base) == 200, within=2 * _LIMIT)
    took = time.monotonic() - began
    assert shop.ask(before, base=base) == 403
    return took


@pytest.mark.timeout(500)  # so that without the touch it is the test that says so
def test_a_change_reaches_a_sidecar_without_its_stream_in_seconds(shop, archive, said):
    shop.ns.accepts(_policy("archive", "/first"))
    shop.await_ready("deployment/archive", "Available", seconds=150)  # kubelet may have looked just before the first record
    await_until("the record is enforced", lambda: shop.ask("/first", base=archive) == 200, within=100)
    before = shop.ns.get("accesspolicy", "archive")["status"]["sidecars"]
    assert before == {"total": 1, "programmed": 0}, f"the agent has its stream: {before}"

    paths = ["/first", *(f"/edit-{number}" for number in range(_EDITS))]
    edits = [_time_edit(shop, "archive", archive, path, before) for before, path in zip(paths, paths[1:])]
    p50, p99 = percentiles(edits)
    said(f"{_EDITS} edits with the stream blocked, until they were enforced: p50 {p50:.1f} s, p99 {p99:.1f} s")
    assert p50 < _USUAL and p99 < _LIMIT, edits
    [pod] = shop.ns.list("pod", "?labelSelector=app=archive")
    record = shop.ns.get("configmap", "mesh-auth-archive")
    assert pod["metadata"]["annotations"]["meshauth.dev/recorded"] == record["metadata"]["annotations"]["meshauth.dev/revision"]

    # Nobody else shows the new key to the operator: it comes with its next look, at most 10 s later here.
    rotations = [shop.time_rotation("/orders/7", archive) for _ in range(_ROTATIONS)]
    p50, p99 = percentiles(rotations)
    said(f"{_ROTATIONS} key rotations with the stream blocked, until the new key counted and the old no more: p50 {p50:.1f} s, p99 {p99:.1f} s")
    assert p99 < _LIMIT, rotations


@pytest.mark.own_node("it drops packets in a pod's network")
def test_a_change_reaches_a_sidecar_whose_stream_is_open_and_dead(shop, vault, said):
    shop.ns.accepts(_policy("vault", "/first"))
    shop.await_ready("deployment/vault", "Available")
    shop.ns.await_condition("accesspolicy", "vault", "Programmed", within=60)
    await_until("its Service leads to it", lambda: shop.ask("/first", base=vault) == 200, within=30)
    [pod] = shop.ns.list("pod", "?labelSelector=app=vault")
    pod_processes.drop_packets(pod, _FLEET)

    # There, back, and there again: what the sidecar acknowledged before the packets were dropped does not count for it now.
    paths = ("/second", "/first", "/second")
    edits = [_time_edit(shop, "vault", vault, path, before) for before, path in zip(("/first", *paths), paths)]
    said(f"{len(edits)} edits with the stream open and its packets dropped: {', '.join(f'{s:.1f}' for s in edits)} s")
    assert max(edits) < _LIMIT, edits
    log = shop.node.cluster.kubectl("logs", "-n", "shop", "deployment/vault", "-c", "mesh-auth")
    assert log.count("taking the mounted bundle") >= len(edits), log
    assert "no stream from the operator" not in log.split("taking the mounted bundle")[0], "the stream had ended before"
