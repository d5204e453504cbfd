"""A sidecar that cannot reach the operator: it starts from the record, and a touch of its pod brings it the next one."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.numbers import percentiles
from harness.resources import ANYONE, access_policy, caller, rule
from harness.wait import await_until
from node import pod_processes

_CUT_OFF = ("archive", "attic", "cellar", "depot")
_EDITS = 5  # of each
_ROTATIONS = 2  # as each sees them
_USUAL = 5.0  # seconds, of half of the edits
_LIMIT = 30.0  # of each; kubelet by itself takes 60 to 90, and a silent stream counts as up for 45
_FLEET = 8443


@pytest.fixture
def cut_off(shop):
    """Workloads like `orders`, whose agents are told of an operator that is not there: where each is asked."""
    for name in _CUT_OFF:
        shop.add_cut_off(name)
    yield {name: _url(name) for name in _CUT_OFF}
    _delete(shop, *_CUT_OFF)


@pytest.fixture
def vault(shop):
    """A workload like `orders`."""
    shop.add("vault")
    yield _url("vault")
    _delete(shop, "vault")


def _url(name):
    return f"http://{name}.shop.svc.cluster.local"


def _delete(shop, *names):
    what = [f"{kind}/{name}" for kind in ("deployment", "service", "accesspolicy") for name in names]
    shop.node.cluster.kubectl("delete", "-n", "shop", *what, "--wait=true")


def _policy(workload, path):
    """Anyone may ask for the path, and who reads orders for /orders."""
    read = rule("read", caller("dev", scopes={"all": ["orders:read"]}), to=[{"paths": ["/orders/**"]}])
    return access_policy(workload, workloads=[workload], rules=[read, rule("one", ANYONE, to=[{"paths": [path]}])])


def _time_edit(shop, workload, base, path, before):
    """Seconds until the path is open, and the one that was open before is not."""
    began = time.monotonic()
    shop.ns.edit("accesspolicy", workload, {"spec": _policy(workload, path)["spec"]})
    both = lambda: (shop.ask(path, base=base), shop.ask(before, base=base)) == (200, 403)  # noqa: E731
    await_until("the edit is enforced", both, within=2 * _LIMIT, every=0.05)
    return time.monotonic() - began


def _time_edits(shop, workload, base):
    """One after the other; and the touch says which of them the pod was told of last."""
    paths = ["/first", *(f"/edit-{number}" for number in range(_EDITS))]
    edits = [_time_edit(shop, workload, base, path, before) for before, path in zip(paths, paths[1:])]
    [pod] = shop.ns.list("pod", f"?labelSelector=app={workload}")
    record = shop.ns.get("configmap", f"mesh-auth-{workload}")
    assert pod["metadata"]["annotations"]["meshauth.dev/recorded"] == record["metadata"]["annotations"]["meshauth.dev/revision"]
    return edits


@pytest.mark.timeout(500)  # so that without the touch it is the test that says so
def test_a_change_reaches_a_sidecar_without_its_stream_in_seconds(shop, cut_off, said):
    for name in cut_off:
        shop.ns.accepts(_policy(name, "/first"))
    for name, base in cut_off.items():
        shop.await_ready(f"deployment/{name}", "Available", seconds=150)  # kubelet may have looked just before the first record
        await_until("the record is enforced", lambda base=base: shop.ask("/first", base=base) == 200, within=100)
        before = shop.ns.get("accesspolicy", name)["status"]["sidecars"]
        assert before == {"total": 1, "programmed": 0}, f"the agent has its stream: {before}"

    with ThreadPoolExecutor(len(cut_off)) as pool:
        edits = [second for each in pool.map(lambda name: _time_edits(shop, name, cut_off[name]), cut_off) for second in each]
    p50, p99 = percentiles(edits)
    said(f"{len(edits)} edits with the stream blocked, until they were enforced: p50 {p50:.1f} s, p99 {p99:.1f} s")
    assert p50 < _USUAL and p99 < _LIMIT, edits

    # Nobody else shows the new key to the operator: it comes with its next look, at most 10 s later here.
    rotations = [second for _ in range(_ROTATIONS) for second in shop.time_rotation("/orders/7", *cut_off.values())]
    p50, p99 = percentiles(rotations)
    said(f"{len(rotations)} key rotations with the stream blocked, until the new key counted and the old no more: p50 {p50:.1f} s, p99 {p99:.1f} s")
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
