"""Another mutating webhook that changes a pod after ours: ours is asked again, and there is one sidecar, of what the pod is then."""

from __future__ import annotations

import json

import pytest

from harness import injection
from harness.mutator import Mutator

pytestmark = pytest.mark.operator

_PROBE = {"httpGet": {"path": "/ready", "port": 8080}}
_SHIPPER = {
    "name": "shipper",
    "image": "localhost/shipper:1",
    "ports": [{"containerPort": 9000}],
    "livenessProbe": {"httpGet": {"path": "/alive", "port": 9000}},
}


@pytest.fixture
def after(meshed, authority):
    """That webhook, for the pods of `meshed`."""
    made = Mutator(meshed, authority)
    yield made
    made.close()


def _pod(name):
    return injection.pod(name, injection.ORDERS, readinessProbe=_PROBE)


def _flags(pod, prefix):
    (sidecar,) = injection.sidecars(pod)
    return sorted(flag for flag in sidecar["args"] if flag.startswith(prefix))


def _ours(pod):
    """All that the sidecar brought into the pod."""
    volumes = [volume for volume in pod["spec"]["volumes"] if volume["name"].startswith("mesh-auth-")]
    probes = [[c["name"], c.get("readinessProbe"), c.get("livenessProbe")] for c in pod["spec"]["containers"]]
    return injection.sidecars(pod), volumes, probes, pod["metadata"]["annotations"]["meshauth.dev/injected"]


def _reviews(webhook):
    return {name: webhook.metric("mesh_auth_admissions_total", outcome=name) for name in ("injected", "unchanged", "refused")}


def test_what_a_later_webhook_adds_is_captured_too(meshed, webhook, after):
    after.register("Never")
    alone = _flags(after.seen[0], "--map=")
    after.change = lambda pod: pod["spec"]["containers"].append(dict(_SHIPPER))
    before, after.seen[:] = _reviews(webhook), []

    pod = injection.created(meshed, _pod("orders-1"))
    assert alone == ["--map=8080:8080:http1"], "it was not called after ours: this test would prove nothing"
    assert _flags(pod, "--map=") == ["--map=8080:8080:http1", "--map=9000:9000:http1"]
    assert [flag.split("=")[1] for flag in _flags(pod, "--probe=")] == ["app/readiness", "shipper/liveness"]
    [shipper] = [c for c in pod["spec"]["containers"] if c["name"] == "shipper"]
    assert shipper["livenessProbe"]["httpGet"]["path"] == "/probe/shipper/liveness"
    assert json.loads(pod["metadata"]["annotations"]["meshauth.dev/injected"])["ports"] == "8080:8080,9000:9000"
    names = [volume["name"] for volume in pod["spec"]["volumes"]]
    assert len(names) == len(set(names))
    assert len(after.seen) == 1
    webhook.await_metric("mesh_auth_admissions_total", before["injected"] + 2, outcome="injected")


def _take_away(pod):
    del pod["spec"]["initContainers"]


def _other_image(pod):
    pod["spec"]["initContainers"][0]["image"] = "localhost/anything:1"


def _other_flags(pod):
    pod["spec"]["initContainers"][0]["args"].append("--path-allow=encoded-slash")


def _twice(pod):
    pod["spec"]["initContainers"].append({**pod["spec"]["initContainers"][0], "name": "mesh-auth-redirect"})


def _no_volumes(pod):
    pod["spec"]["volumes"] = [v for v in pod["spec"]["volumes"] if not v["name"].startswith("mesh-auth-")]
    pod["spec"]["initContainers"][0]["volumeMounts"] = []


@pytest.mark.parametrize("change", [_take_away, _other_image, _other_flags, _twice, _no_volumes], ids=lambda change: change.__name__)
def test_what_a_later_webhook_does_to_the_sidecar_is_undone(meshed, webhook, after, change):
    wanted = _ours(injection.created(meshed, injection.pod("as-it-was", injection.ORDERS)))
    after.register("Never")
    after.change = change
    pod = injection.created(meshed, injection.pod("changed", injection.ORDERS))
    assert _ours(pod) == wanted


def test_two_webhooks_that_are_both_asked_again_come_to_an_end(meshed, webhook, after):
    wanted = _ours(injection.created(meshed, _pod("as-it-was")))
    after.register("IfNeeded")

    def label(pod):
        pod["metadata"]["labels"]["seen"] = str(len(after.seen))

    after.change = label
    after.seen.clear()
    before = _reviews(webhook)
    pod = injection.created(meshed, _pod("orders-1"))
    webhook.await_metric("mesh_auth_admissions_total", before["injected"] + 2, outcome="injected")
    assert _reviews(webhook) == {**before, "injected": before["injected"] + 2}
    # Asked again for the label alone, ours makes the same of it.
    assert pod["metadata"]["labels"]["seen"] == str(len(after.seen)) and 1 <= len(after.seen) <= 2
    assert _ours(pod) == wanted

    # The same pod once more, as it came out.
    metadata = {"name": "orders-2", **{part: pod["metadata"][part] for part in ("labels", "annotations")}}
    assert _ours(injection.created(meshed, {**{part: pod[part] for part in ("apiVersion", "kind", "spec")}, "metadata": metadata})) == wanted


def test_a_pod_in_which_a_later_webhook_left_half_a_sidecar_is_refused(meshed, webhook, after):
    after.register("Never")
    after.change = lambda pod: pod["metadata"]["annotations"].pop("meshauth.dev/injected")
    answer = injection.create(meshed, injection.pod("orders-1", injection.ORDERS))
    assert answer.status == 422 and "the name mesh-auth is the sidecar's; rename the container" in answer.text, answer.text
