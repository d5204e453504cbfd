"""Many pods that are cut off from the stream are touched at once: so many a second, and each of them."""

from __future__ import annotations

import collections
import time

import pytest

from harness.resources import ANYONE, rule
from harness.wait import await_until

pytestmark = pytest.mark.operator

_PODS = 60
_A_SECOND = 10  # docs/architecture.md; so many may also come at once
_TOUCH, _REVISION = "meshauth.dev/recorded", "meshauth.dev/revision"


@pytest.fixture
def orders(mesh):
    """Pods of a workload without a sidecar, all of them touched for what is recorded."""
    for _ in range(_PODS):
        mesh.ns.create_pod("orders")
    mesh.policy("all", rule("first", ANYONE))
    mesh.ready("accesspolicy", "all")

    def all_are():
        marks = set(_marks(mesh.ns).values())
        assert marks == {_recorded(mesh.ns)}, f"{len(marks)} different marks"
        return True

    await_until("each pod is touched for what is recorded", all_are, within=60)
    return mesh


def _marks(space):
    pods = [pod["metadata"] for pod in space.list("pod")]
    return {pod["name"]: pod.get("annotations", {}).get(_TOUCH) for pod in pods}


def _recorded(space):
    return space.get("configmap", "mesh-auth-orders")["metadata"]["annotations"][_REVISION]


def _touched(space, before):
    """When each pod was seen with another mark than before, once all of them have the mark of what is recorded."""
    times = {}

    def all_are():
        now, marks = time.monotonic(), _marks(space)
        times.update({name: now for name, mark in marks.items() if mark != before and name not in times})
        assert len(times) == _PODS and set(marks.values()) == {_recorded(space)}, f"{len(times)} of {_PODS}"
        return True

    await_until("each pod is touched for the edit", all_are, within=60)
    return sorted(times.values())


def _assert_bounded(times, span=1.0):
    """In no second more than so many, and what may come at once."""
    for first in times:
        window = [at for at in times if first <= at < first + span]
        assert len(window) <= 2 * _A_SECOND + 1, f"{len(window)} pods within {span:g} s: {times}"


@pytest.fixture
def changes(orders):
    """kubectl, which writes a line with the name of a pod for each change of it."""
    kubectl = orders.ns.cluster.kubectl
    argv = kubectl.argv("get", "pods", "-n", orders.ns.name, "--watch", "-o", "name")
    process = orders.supervisor.start("watch", argv, env=kubectl.environment())
    lines = lambda: [line for line in process.output().splitlines() if line.startswith("pod/")]  # noqa: E731
    await_until("it has told all pods", lambda: len(lines()) == _PODS)
    yield lambda: lines()[_PODS:]
    orders.supervisor.stop(process)


def test_sixty_pods_are_touched_ten_a_second_each_of_them_once(orders, changes):
    before = _recorded(orders.ns)
    orders.policy("all", rule("second", ANYONE))
    times = _touched(orders.ns, before)
    _assert_bounded(times)
    # All but those that may come at once wait for their turn.
    took = times[-1] - times[0]
    assert (_PODS - _A_SECOND) / _A_SECOND - 1 < took < 3 * _PODS / _A_SECOND, f"{_PODS} pods in {took:.1f} s"
    print(f"{_PODS} pods were touched within {took:.1f} s")

    await_until("all changes are told", lambda: len(changes()) >= _PODS)
    orders.ns.create_pod("other", "last", phase="Pending")  # what would come behind the touches is told before this one
    told = await_until("and nothing after them", lambda: (seen := changes()) and "pod/last" in seen and seen)
    assert set(collections.Counter(told[: told.index("pod/last")]).values()) == {1}, told
    orders.ns.delete("pod", "last")

    _edit_while_they_are_touched(orders, _recorded(orders.ns))


def _edit_while_they_are_touched(orders, before):
    """None is left with what was recorded in between."""
    orders.policy("all", rule("third", ANYONE))

    def some_are():
        return 0 < sum(mark != before for mark in _marks(orders.ns).values()) < _PODS

    await_until("some pods are touched, and not all", some_are, within=30)
    third = _recorded(orders.ns)
    orders.policy("all", rule("fourth", ANYONE))
    await_until("the next edit is recorded", lambda: _recorded(orders.ns) != third)
    _touched(orders.ns, before)
    assert set(_marks(orders.ns).values()) == {_recorded(orders.ns)} != {third}
