"""What an operator of the operator sees."""

from __future__ import annotations

import json
import re
import time

import pytest

from harness import tools
from harness.resources import READ, rule
from harness.wait import await_until

pytestmark = pytest.mark.operator

# Present from the start, at 0 where nothing happened yet.
KNOWN = [
    "workqueue_depth",
    "workqueue_adds_total",
    "workqueue_retries_total",
    "workqueue_queue_duration_seconds_count",
    "workqueue_work_duration_seconds_count",
    "rest_client_requests_total",
    "controller_runtime_reconcile_total",
    "controller_runtime_reconcile_errors_total",
    "controller_runtime_reconcile_time_seconds_count",
]


@pytest.mark.parametrize("name", KNOWN)
def test_the_metrics_that_dashboards_know_are_there(operator, name):
    assert operator.metric(name) >= 0


@pytest.mark.parametrize("word", ["watch", "fetch", "bundle", "sidecar", "push"])
def test_our_own_metrics_are_there(operator, word):
    lines = operator.endpoint("/metrics").text.splitlines()
    names = {line.split("{")[0].split(" ")[0] for line in lines if line[:1] != "#"}
    assert [name for name in names if name.startswith("mesh_auth_") and word in name], sorted(names)


def test_each_of_them_has_a_line_in_its_page(mesh, operator, bad_idp):
    mesh.provider(bad_idp)
    mesh.ready("identityprovider", "idp")  # the age of its keys is there from now on
    exported = set(re.findall(r"^# TYPE (mesh_auth_\w+)", operator.endpoint("/metrics").text, re.MULTILINE))
    written = set(re.findall(r"^\| `(mesh_auth_\w+)", (tools.REPO / "docs" / "metrics.md").read_text(), re.MULTILINE))
    assert exported == written


@pytest.mark.sidecar
def test_decisions_are_counted_by_reason_provider_and_rule(mesh, operator, bad_idp):
    mesh.provider(bad_idp)
    mesh.ready("identityprovider", "idp")
    mesh.policy("readers", rule("read", READ))
    orders = mesh.sidecar()
    orders.await_answer(401)
    for _ in range(3):
        orders.answers(200, token=bad_idp.token(scope="orders:read"))
    now = int(time.time())
    for _ in range(2):
        orders.answers(401, token=bad_idp.token(scope="orders:read", iat=now - 600, exp=now - 300))

    ns = mesh.ns.name
    of_workload = {"workload": f"{ns}/orders"}
    allowed = {**of_workload, "decision": "allow", "reason": "none", "provider": f"{ns}/idp"}
    expired = {**of_workload, "decision": "deny", "reason": "expired"}
    by_rule = {**of_workload, "decision": "allow", "policy": f"{ns}/readers", "rule": "read"}
    operator.await_metric("mesh_auth_decisions_total", 3, **allowed)
    operator.await_metric("mesh_auth_decisions_total", 2, **expired)
    operator.await_metric("mesh_auth_rule_decisions_total", 3, **by_rule)
    assert operator.metric("mesh_auth_decisions_total", **allowed) == 3
    assert operator.metric("mesh_auth_decisions_total", **expired) == 2
    assert operator.metric("mesh_auth_rule_decisions_total", **of_workload) == 3

    mesh.ns.delete("accesspolicy", "readers")
    gone = f'policy="{ns}/readers"'
    await_until("the rule's series goes with its policy", lambda: gone not in operator.endpoint("/metrics").text)


def test_health_is_told(operator):
    assert operator.endpoint("/healthz").status == 200
    assert operator.endpoint("/readyz").status == 200
    assert operator.endpoint("/nothing").status == 404


def test_the_fleet_is_told(mesh, operator, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    pod = mesh.sidecar().pod

    def told():
        page = operator.endpoint("/fleet").json()
        workload = next(one for one in page["workloads"] if one["name"] == f"{mesh.ns.name}/orders")
        (sidecar,) = workload["sidecars"]
        runs = sidecar.get("revision") == workload["revision"] and sidecar["outcome"] == "applied"
        return page if runs and sidecar["connected"] and sidecar["pod"] == pod.name else None

    page = await_until("the operator tells that the sidecar runs the current revision", told, within=30)
    assert [one["name"] for one in page["certificates"]] == ["fleet", "webhook"]
    assert all(one["notBefore"] < page["time"] < one["notAfter"] for one in page["certificates"])


def test_the_log_is_json_with_the_same_members_in_each_line(mesh, operator, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    mesh.ns.await_condition("accesspolicy", "readers", "Accepted")
    lines = [json.loads(line) for line in operator.process.output().splitlines()]
    assert lines and all({"ts", "level", "msg"} <= set(line) for line in lines)


def test_a_mistake_is_an_event_that_kubectl_describe_shows(cluster, mesh):
    mesh.policy("readers", rule("read", READ))
    mesh.ns.await_condition("accesspolicy", "readers", "ResolvedRefs", "False")

    def described():
        text = cluster.kubectl("describe", "accpol", "readers", "-n", mesh.ns.name)
        return "Warning" in text and "idp" in text

    await_until("kubectl describe shows the event", described)


def test_the_same_mistake_is_one_event_with_a_count(mesh):
    for number in range(5):
        mesh.policy("readers", rule(f"read-{number}", READ))
        mesh.ns.await_condition("accesspolicy", "readers", "ResolvedRefs", "False")
    warnings = [e for e in mesh.ns.list("event") if e["type"] == "Warning" and e["involvedObject"]["name"] == "readers"]
    assert 1 <= len(warnings) <= 2
