"""A sidecar that cannot reach the operator: it starts from the record, and a touch of its pod brings it the next one."""

from __future__ import annotations

import time

import pytest

from harness.resources import ANYONE, access_policy, rule
from harness.wait import await_until

_EDITS = 5
_LIMIT = 30.0  # seconds; kubelet by itself takes 60 to 90


@pytest.fixture
def archive(shop):
    """A workload like `orders`, whose agent is told of an operator that is not there."""
    shop.add_cut_off("archive")
    yield "http://archive.shop.svc.cluster.local"
    shop.node.cluster.kubectl("delete", "-n", "shop", "deployment/archive", "service/archive", "accesspolicy/archive", "--wait=true")


def _policy(path):
    return access_policy("archive", workloads=["archive"], rules=[rule("one", ANYONE, to=[{"paths": [path]}])])


@pytest.mark.timeout(300)  # so that without the touch it is the test that says so
def test_a_change_reaches_a_sidecar_without_its_stream_in_seconds(shop, archive, said):
    shop.ns.accepts(_policy("/first"))
    shop.await_ready("deployment/archive", "Available", seconds=150)  # kubelet may have looked just before the first record
    await_until("the record is enforced", lambda: shop.ask("/first", base=archive) == 200, within=100)
    before = shop.ns.get("accesspolicy", "archive")["status"]["sidecars"]
    assert before == {"total": 1, "programmed": 0}, f"the agent has its stream: {before}"

    seconds = []
    for number in range(_EDITS):
        began = time.monotonic()
        shop.ns.edit("accesspolicy", "archive", {"spec": _policy(f"/edit-{number}")["spec"]})
        await_until("the edit is enforced", lambda: shop.ask(f"/edit-{number}", base=archive) == 200, within=2 * _LIMIT)
        seconds.append(time.monotonic() - began)
        assert shop.ask("/first", base=archive) == 403
    said(f"{_EDITS} edits with the stream blocked, until they were enforced: {', '.join(f'{s:.1f}' for s in sorted(seconds))} s")
    assert max(seconds) < _LIMIT, seconds
    [pod] = shop.ns.list("pod", "?labelSelector=app=archive")
    record = shop.ns.get("configmap", "mesh-auth-archive")
    assert pod["metadata"]["annotations"]["meshauth.dev/recorded"] == record["metadata"]["annotations"]["meshauth.dev/revision"]
