"""Requests between pods: who is let in, and how soon a change is enforced."""

from __future__ import annotations

import time

from harness import chart
from harness.numbers import percentiles
from harness.wait import await_until
from node.shop import ORDERS

_EDITS = 24
_ROTATIONS = 10
_LIMIT = 2.0  # seconds; what is usual is printed
_ROTATION_LIMIT = 10.0  # seconds; a provider is asked once a second at most


def test_a_caller_is_let_in_by_the_token_alone(shop):
    right, wrong = shop.token(), shop.token(scope="orders:write")
    assert shop.ask("/orders/7") == 401
    assert shop.ask("/orders/7", wrong) == 403
    assert shop.ask("/orders/7", right[:-8] + "AAAAAAAA") == 401
    assert shop.ask("/orders/7", right) == 200
    assert shop.ask("/elsewhere", right) == 403


def test_nobody_comes_past_the_sidecar(shop):
    address = shop.ns.list("pod", "?labelSelector=app=orders")[0]["status"]["podIP"]
    assert shop.ask("/open", base=f"http://{address}:8080") == 200
    assert shop.ask("/open", base=f"http://{address}:8000") == 0


def test_an_edit_is_enforced_in_the_running_pod(shop, said):
    before = shop.count_all()
    started = []
    opens = shop.counted("edge")["changes"][-1]["status"] != 200  # a test before may have left it open
    for number in range(_EDITS):
        wanted = 200 if opens == (number % 2 == 0) else 403
        began = time.time()
        shop.set_edge(wanted == 200)
        shop.ns.await_condition("accesspolicy", "edge", "Programmed")
        changed = lambda: shop.counted("edge")["changes"][-1]  # noqa: E731
        await_until("the load sees the edit", lambda: changed()["status"] == wanted and changed()["unixMicro"] / 1e6 > began)
        started.append((began, wanted))
    changes = [(change["unixMicro"] / 1e6, change["status"]) for change in shop.counted("edge")["changes"]]
    seconds = []
    for (began, wanted), (until, _) in zip(started, [*started[1:], (time.time(), 0)]):
        window = [(at, status) for at, status in changes if began < at < until]
        assert window[-1][1] == wanted, f"the last answer after an edit was the old one: {window}"
        seconds.append(window[-1][0] - began)
    p50, p99 = percentiles(seconds)
    seen = shop.since(before)
    said(f"{_EDITS} edits of a policy, from the PATCH to the last old answer: p50 {1000 * p50:.1f} ms, p99 {1000 * p99:.1f} ms")
    assert set(seen["open"]) == {200} and set(seen["shut"]) == {403}, seen
    assert p99 < _LIMIT


def test_rotated_keys_are_enforced(shop, said):
    seconds = [second for _ in range(_ROTATIONS) for second in shop.time_rotation("/orders/7", ORDERS)]
    p50, p99 = percentiles(seconds)
    said(f"{_ROTATIONS} key rotations, until the new key counted and the old no more: p50 {p50:.2f} s, p99 {p99:.2f} s")
    assert p99 < _ROTATION_LIMIT, seconds


def test_requests_do_not_notice_that_the_operator_is_gone(shop, said):
    kubectl = shop.node.cluster.kubectl
    selector = "?labelSelector=app.kubernetes.io/name=mesh-auth-operator"
    before = shop.count_all()
    [gone] = shop.node.cluster.list("pod", chart.NAMESPACE, selector)
    kubectl("delete", "-n", chart.NAMESPACE, "pod", gone["metadata"]["name"], "--wait=true", "--timeout=60s")

    def another_is_ready():
        pods = shop.node.cluster.list("pod", chart.NAMESPACE, selector)
        ready = [p for p in pods if p["metadata"]["uid"] != gone["metadata"]["uid"]]
        return ready and all(s["ready"] for s in ready[0]["status"].get("containerStatuses", [{"ready": False}]))

    await_until("another operator is Ready", another_is_ready, within=60)
    shop.change_edge()
    seen = shop.since(before)
    said(f"the operator deleted and back: requests {sum(sum(s.values()) for s in seen.values())}, answers {seen}")
    assert set(seen["open"]) == {200} and set(seen["shut"]) == {403} and set(seen["naked"]) == {401}, seen
