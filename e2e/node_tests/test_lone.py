"""Single applications behind injected sidecars: a plain one, as before Kubernetes 1.29, and one that finds no bundle."""

from __future__ import annotations

import pytest

from harness.wait import await_until
from node.lone import Lone
from node.meshed import is_ready

_MANY = 50  # answers of a sidecar without a bundle, to each


@pytest.fixture
def plain(shop, release):
    """In a pod that was made where there are no native sidecars."""
    made = Lone(shop, "plain")
    made.allow("/orders/**")
    with release.with_values("injection.nativeSidecars=off"):
        made.open()
        shop.await_ready("deployment/plain", "Available")
        yield made
    made.close()


@pytest.fixture
def early(shop, images):
    made = Lone(shop, "early")
    yield made
    made.close()


def _restarts(pod):
    status = pod["status"]
    return [each["restartCount"] for each in status.get("initContainerStatuses", []) + status["containerStatuses"]]


def test_a_plain_sidecar_protects_its_application_and_follows_its_policy(shop, plain):
    pod = plain.pod()
    assert [container["name"] for container in pod["spec"]["containers"]] == ["mesh-auth", "app"]
    assert not pod["spec"].get("initContainers") and is_ready(pod)
    right, wrong = shop.token(), shop.token(scope="orders:write")
    assert shop.first_answer("/orders/7", base=plain.url) == 401
    assert [plain.ask("/orders/7", token) for token in (None, wrong, right)] == [401, 403, 200]
    assert plain.ask("/stock", right) == 403
    shop.ns.await_condition("accesspolicy", "plain", "Programmed", within=30)

    plain.allow("/stock")
    await_until("the edit is enforced", lambda: (plain.ask("/stock", right), plain.ask("/orders/7", right)) == (200, 403), within=30)
    assert plain.ask("/stock") == 401
    pod = plain.pod()
    assert is_ready(pod) and _restarts(pod) == [0, 0]


def test_a_sidecar_that_finds_no_bundle_answers_503_to_everybody_until_there_is_one(shop, early, images, operator_count, said):
    right = shop.token()
    operator_count(0)
    early.allow("/orders/**")
    early.ask_without_end(right)
    assert early.load.statuses() == {"naked": {0}, "right": {0}}, "there is nobody yet"
    early.open_by_hand(images["sidecar"])
    for part in ("naked", "right"):
        await_until(f"{part} was turned away", lambda part=part: early.load.counted(part)["statuses"].get("503", 0) >= _MANY, within=90)
    running = lambda: [each["state"] for each in early.pod()["status"]["containerStatuses"] if "running" in each["state"]]  # noqa: E731
    await_until("the application runs", running, within=30)
    begun = {part: early.load.counted(part)["statuses"]["503"] for part in ("naked", "right")}
    for part, count in begun.items():
        await_until(f"{part} is still turned away", lambda part=part, count=count: early.load.counted(part)["statuses"]["503"] >= count + _MANY, within=30)
    assert early.load.statuses() == {"naked": {0, 503}, "right": {0, 503}}
    assert not shop.ns.find("configmap", "mesh-auth-early") and not is_ready(early.pod())

    operator_count(1)
    await_until("who has the token is let in", lambda: (early.ask("/orders/7", right), early.ask("/orders/7")) == (200, 401), within=90)
    await_until("the load sees it, too", lambda: early.load.statuses() == {"naked": {0, 401, 503}, "right": {0, 200, 503}}, within=30)
    assert _restarts(early.pod()) == [0, 0]
    said(f"from before its sidecar had a bundle: {early.load.statuses()}")
