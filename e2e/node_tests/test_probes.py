"""The kubelet's probes and hooks of an application behind an injected sidecar, as the kubelet really does them."""

from __future__ import annotations

import contextlib

import pytest

from harness.resources import ANYONE, access_policy, rule
from harness.wait import await_until
from node import pods
from node.meshed import is_ready

_QUICK = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 10}
_ASKED = 3  # times, so that one more failure would have been seen


def _get(path):
    return {"httpGet": {"path": path, "port": "http"}}


_STARTUP = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
_HOOK = {"lifecycle": {"preStop": _get("/hook/stop")}}


@pytest.fixture
def pod(shop):
    """pod(NAME, BOX'S ARGUMENTS, fields of the container...): one with a sidecar by injection; `annotations` are the pod's."""
    made = []

    def make(name, arguments, annotations=None, **fields):
        application = pods.container("app", shop.box, arguments)
        manifest = pods.pod(name, [application | {"ports": [{"name": "http", "containerPort": 8080}]} | fields])
        manifest["metadata"]["labels"] = {"meshauth.dev/inject": "enabled", "meshauth.dev/workload": name}
        manifest["metadata"]["annotations"] = annotations or {}
        manifest["spec"]["terminationGracePeriodSeconds"] = 10
        shop.ns.apply(manifest)
        made.append(name)

    yield make
    for name in made:
        shop.node.cluster.kubectl.run("delete", "-n", shop.ns.name, "pod", name, "--ignore-not-found", "--wait=false")


def _application(shop, name):
    found = shop.ns.get("pod", name)["status"].get("containerStatuses", [])
    assert found, f"no container of {name} has a state yet"
    return found[0]


def _events(shop, name, reason):
    query = f"?fieldSelector=involvedObject.name={name},reason={reason}"
    return [event["message"] for event in shop.ns.list("event", query)]


def _await_event(shop, name, reason, *says):
    def told():
        messages = _events(shop, name, reason)
        assert any(all(part in message for part in says) for message in messages), messages
        return True

    await_until(f"an event {reason} of {name} says {says}", told, within=60)


@contextlib.contextmanager
def _log_of(shop, supervisor, name):
    """kubectl logs --follow, which goes on while the pod ends."""
    kubectl = shop.node.cluster.kubectl
    process = supervisor.start("log", kubectl.argv("logs", "-n", shop.ns.name, name, "-c", "app", "--follow"), env=kubectl.environment())
    try:
        yield process.output
    finally:
        supervisor.stop(process)


def test_startup_by_tcp_liveness_by_http_and_a_hook_at_the_end_reach_the_application(shop, supervisor, pod):
    pod("probed", ["serve", "127.0.0.1:8080"], startupProbe=_STARTUP, livenessProbe=_get("/hook/alive") | _QUICK, **_HOOK)
    shop.await_ready("pod/probed")
    asked = shop.ns.get("pod", "probed")["spec"]["containers"][0]
    assert asked["startupProbe"]["httpGet"]["path"] == "/probe/app/startup", "it is not turned to the agent"
    with _log_of(shop, supervisor, "probed") as log:
        await_until("it was asked whether it lives", lambda: log().count("asked for /hook/alive") >= _ASKED, within=30)
        assert is_ready(shop.ns.get("pod", "probed")) and _application(shop, "probed")["restartCount"] == 0
        assert "/hook/stop" not in log()
        shop.ns.delete("pod", "probed")
        await_until("the hook came", lambda: "asked for /hook/stop" in log(), within=15)
    # Readiness is the agent's own here, which is not ready at the start yet and at its end no more.
    failed = [message for message in _events(shop, "probed", "Unhealthy") if not message.startswith("Readiness")]
    assert not failed and not _events(shop, "probed", "FailedPreStopHook")


def test_an_application_that_does_not_answer_fails_each_of_them(shop, pod):
    pod("mute", ["pause"], startupProbe=_STARTUP | _QUICK)
    pod("ill", ["pause"], livenessProbe=_get("/hook/alive") | _QUICK)
    _await_event(shop, "mute", "Unhealthy", "Startup probe failed")
    _await_event(shop, "ill", "Unhealthy", "Liveness probe failed")
    for name in ("mute", "ill"):
        await_until(f"{name} is started again", lambda name=name: _application(shop, name)["restartCount"], within=60)


def test_probes_that_are_kept_meet_the_sidecar_and_fail_or_pass_as_its_policies_say(shop, pod):
    run = {"exec": {"command": ["/usr/bin/box", "ask", "http://127.0.0.1:8080/hook/alive"]}}
    kept = {"meshauth.dev/probes": "Keep"}
    pod("kept", ["serve", "127.0.0.1:8080"], kept, readinessProbe=_get("/ready") | _QUICK, livenessProbe=run | _QUICK | {"failureThreshold": 5})
    assert shop.ns.get("pod", "kept")["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/ready"
    _await_event(shop, "kept", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 403")
    assert not is_ready(shop.ns.get("pod", "kept"))
    shop.ns.accepts(access_policy("kept", workloads=["kept"], rules=[rule("probes", ANYONE, to=[{"methods": ["GET"], "paths": ["/ready"]}])]))
    shop.await_ready("pod/kept")
    assert _application(shop, "kept")["restartCount"] == 0
    kubectl = shop.node.cluster.kubectl
    await_until("the other one asked", lambda: "asked for /hook/alive" in kubectl("logs", "-n", shop.ns.name, "kept", "-c", "app"), within=30)
    assert shop.ask("/hook/alive", base=f"http://{shop.ns.get('pod', 'kept')['status']['podIP']}:8080") == 403
    shop.ns.delete("accesspolicy", "kept")
