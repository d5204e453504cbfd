"""Sidecars by injection, where pods really run: who is let in, while pods come and go, and while the webhook is away."""

from __future__ import annotations

import time

import pytest

from harness.wait import await_until
from node import pod_processes, pods
from node.injected import PROTECTED
from node.meshed import Meshed, is_ready

_MANY = 20  # pods
_TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture(scope="module")
def meshed(shop):
    made = Meshed(shop)
    made.open()
    yield made
    if made.shop.node.cluster.find("namespace", made.name):
        made.kubectl("delete", "namespace", made.name, "--wait=false")


def _mounts(container):
    return {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}


def test_a_pod_becomes_ready_behind_a_native_sidecar_where_only_locked_down_pods_may_run(meshed):
    [pod] = meshed.pods()
    [sidecar], [application] = pod["spec"]["initContainers"], pod["spec"]["containers"]
    assert sidecar["name"] == "mesh-auth" and sidecar["restartPolicy"] == "Always"
    assert application["readinessProbe"]["httpGet"]["path"] == "/probe/app/readiness"
    assert is_ready(pod) and all(status["restartCount"] == 0 for status in pod["status"]["containerStatuses"])
    # Each has its own token, and none the other's.
    assert _mounts(sidecar)[_TOKEN_FOLDER] == "mesh-auth-token"
    assert _mounts(application)[_TOKEN_FOLDER].startswith("kube-api-access-")
    label = "pod-security.kubernetes.io/enforce"
    assert meshed.shop.node.cluster.find("namespace", meshed.name)["metadata"]["labels"][label] == "restricted"


def test_its_callers_are_let_in_by_the_token_alone(meshed):
    right, wrong = meshed.shop.token(), meshed.shop.token(scope="orders:write")
    ask = lambda path, token=None: meshed.shop.ask(path, token, base=meshed.url)  # noqa: E731
    assert ask("/orders/7") == 401
    assert ask("/orders/7", wrong) == 403
    assert ask("/orders/7", right[:-8] + "AAAAAAAA") == 401
    assert ask("/orders/7", right) == 200
    assert ask("/ready", right) == 403


def test_nobody_comes_past_it(meshed):
    [pod] = meshed.pods()
    address = pod["status"]["podIP"]
    assert meshed.shop.ask("/orders/7", base=f"http://{address}:8080") == 401
    assert meshed.shop.ask("/orders/7", meshed.shop.token(), base=f"http://{address}:8080") == 200
    # The one thing beside it that answers: the application's own probes, and nothing but them.
    assert meshed.shop.ask("/probe/app/readiness", base=f"http://{address}:9180") == 200
    assert meshed.shop.ask("/orders/7", base=f"http://{address}:9180") == 404


def test_an_application_that_listens_everywhere_does_not_start_beside_it(meshed):
    application = pods.container("app", meshed.shop.box, ["serve", "0.0.0.0:8080"]) | {"ports": [{"containerPort": 8080}]}
    loose = pods.pod("loose", [application])
    loose["metadata"]["labels"]["meshauth.dev/workload"] = "orders"
    meshed.ns.apply(loose)

    def ended():
        [status] = meshed.ns.get("pod", "loose")["status"].get("containerStatuses", [{}])
        last = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated")
        assert last, f"it has not ended: {status}"
        return last["exitCode"] == 1

    await_until("the application has ended", ended, within=60)
    said = meshed.kubectl("logs", "-n", meshed.name, "loose", "-c", "app")
    assert "bind: address already in use" in said, said
    address = meshed.ns.get("pod", "loose")["status"]["podIP"]
    assert meshed.shop.ask("/orders/7", base=f"http://{address}:8080") == 401
    meshed.ns.delete("pod", "loose")


@pytest.mark.timeout(300)
def test_an_application_is_protected_from_before_it_exists(injected, said):
    # To one that listens everywhere a caller comes by its own port, which the rules turn away, and by the sidecar's behind them.
    seen = injected.refusals()
    said(f"asked without a token from before the pods existed: {seen}")
    for place, statuses in seen.items():
        assert statuses <= PROTECTED, f"{place}: {injected.load.counted(place)}"
    for name in ("native", "transparent"):
        address = injected.pod(name)["status"]["podIP"]
        ask = lambda path, token=None, port=8080, address=address: injected.shop.ask(path, token, base=f"http://{address}:{port}")  # noqa: E731
        assert ask("/orders/7") == 401 and ask("/orders/7", injected.shop.token()) == 200
        assert ask("/elsewhere", injected.shop.token()) == 403
    assert ask("/orders/7", port=9181) == 401 and ask("/orders/7", injected.shop.token(), port=9181) == 200


@pytest.mark.own_node("it looks at the processes of pods")
def test_neither_application_nor_sidecar_may_more_than_others(injected):
    for name in ("native", "transparent"):
        found = pod_processes.capabilities(injected.pod(name))
        assert set(found) >= {"box", "mesh-auth-agent", "nginx"}, found
        assert set.union(*found.values()) == {0}, f"{name}: {found}"


@pytest.mark.timeout(400)
def test_pods_come_and_go_under_load_and_nobody_is_let_in_or_turned_away_wrongly(meshed, said):
    meshed.begin_load(meshed.shop.token())
    try:
        first = {pod["metadata"]["uid"] for pod in meshed.pods()}
        meshed.restart()
        assert not first & {pod["metadata"]["uid"] for pod in meshed.pods()}
        meshed.scale(_MANY)
        meshed.await_available(_MANY, within=180)
        meshed.scale(1)
        meshed.await_available(1)
        seen = {name: meshed.counted(name) for name in ("naked", "fresh", "kept")}
    finally:
        meshed.end_load()
    said(f"restarted, scaled to {_MANY} and back under load: " + "; ".join(f"{name} {s['statuses']}" for name, s in seen.items()))
    # 0: asked before or after it listens. 503: before it has a bundle.
    assert {"401"} <= set(seen["naked"]["statuses"]) <= {"0", "401", "503"}, seen["naked"]["statuses"]
    for name in ("fresh", "kept"):
        assert set(seen[name]["statuses"]) == {"200"}, "\n".join([name, str(seen[name]["statuses"]), *seen[name]["failures"]])


def test_without_the_webhook_no_pod_starts_unprotected_and_then_all_heals(meshed, operator_count):
    operator_count(0)
    meshed.scale(2)

    def refused():
        events = meshed.ns.list("event", "?fieldSelector=reason=FailedCreate,involvedObject.kind=ReplicaSet")
        assert events, "no event yet"
        message = events[-1]["message"]
        assert 'failed calling webhook "namespace.inject.meshauth.dev"' in message, message
        return True

    await_until("an event of the ReplicaSet says why there is no second pod", refused, within=30)
    assert len(meshed.pods()) == 1
    plain = meshed.shop.ns
    plain.apply(pods.pod("plain", [pods.container("plain", meshed.shop.box, ["pause"])]))
    meshed.shop.await_ready("pod/plain")
    plain.delete("pod", "plain")
    operator_count(1)
    meshed.await_available(2)
    assert {pod["spec"]["initContainers"][0]["name"] for pod in meshed.pods()} == {"mesh-auth"}


def test_deleting_its_namespace_does_not_hang(meshed, said):
    began = time.monotonic()
    meshed.kubectl("delete", "namespace", meshed.name, "--wait=true", "--timeout=90s", timeout=100)
    said(f"a namespace with sidecars was deleted in {time.monotonic() - began:.1f} s")
    assert not meshed.shop.node.cluster.find("namespace", meshed.name)
