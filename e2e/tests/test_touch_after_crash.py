"""An operator that ends between a record and the touch of the pods that are to read it: the next one touches them."""

from __future__ import annotations

import pytest

from harness.resources import ANYONE, rule
from harness.wait import await_until

pytestmark = pytest.mark.operator

TOUCH = "meshauth.dev/recorded"
REVISION = "meshauth.dev/revision"


def _annotation(space, kind, name, annotation):
    found = space.find(kind, name)
    return (found or {"metadata": {}})["metadata"].get("annotations", {}).get(annotation)


def test_a_pod_that_was_not_touched_yet_is_touched_by_the_operator_that_comes_after(mesh, operator):
    # No sidecar runs in it, so it is as one that is cut off from the stream.
    pod = mesh.ns.create_pod("orders")
    mesh.policy("all", rule("first", ANYONE))

    def touched():
        return _annotation(mesh.ns, "pod", pod.name, TOUCH)

    def recorded():
        return _annotation(mesh.ns, "configmap", "mesh-auth-orders", REVISION)

    await_until("the pod is touched for what is recorded", lambda: touched() is not None and touched() == recorded())
    revision = _recorded_and_crashed(mesh, operator, recorded, touched)

    operator.start()
    await_until("the next operator touches the pod", lambda: touched() == revision, within=40)
    mesh.policy("all", rule("last", ANYONE))
    await_until("an edit touches it as always", lambda: recorded() != revision and touched() == recorded())


def _recorded_and_crashed(mesh, operator, recorded, touched):
    """The revision that is recorded, of which the pod was not told. On a busy machine two seconds may pass before the crash."""
    for attempt in range(3):
        operator.ensure_running()
        before = touched()
        mesh.policy("all", rule(f"edit-{attempt}", ANYONE))
        revision = await_until("the edit is recorded", lambda before=before: recorded() != before and recorded())
        operator.kill()
        if touched() == before:
            return revision
    raise AssertionError("each time the touch came before the crash: nothing is tested")
