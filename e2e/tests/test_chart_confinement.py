"""What RBAC cannot limit to names: with the operator's own credentials, what is not its own is refused, and says why."""

from __future__ import annotations

import base64
import json

import pytest
import yaml

from harness import chart, client
from harness.kubectl import Kubectl
from harness.wait import await_until

pytestmark = pytest.mark.plane

_KEYS = "mesh-auth-jwks-0011"
_NAME = "whose name is meshauth.trust or begins with mesh-auth-"
_LABEL = "has label meshauth.dev/record"
_THEIRS = "this ConfigMap is somebody else's"


@pytest.fixture(scope="module")
def as_operator(supervisor, cluster, workdir, operator_rights):
    """kubectl with the operator's own token, once the API server heeds the policies. The real one rests: it would clear away
    a record of a workload that has no pods."""
    for process in supervisor.processes:
        if process.name == "operator":
            process.stop()
    kubeconfig = chart.restricted_kubeconfig(cluster, operator_rights, workdir / "confined.kubeconfig")
    kubectl = Kubectl(cluster.kubectl.program, kubeconfig, home=workdir)

    def heeded():
        tried = {
            "configmap": kubectl.run("create", "configmap", "probe", "-n", "default", "--dry-run=server"),
            "secret": kubectl.run("create", "secret", "generic", "probe", "-n", chart.NAMESPACE, "--dry-run=server"),
            "lease": kubectl.run("create", "-f", "-", "--dry-run=server", stdin=_lease("probe")),
        }
        assert all("denied request" in outcome.err for outcome in tried.values()), tried
        return True

    await_until("the policies are heeded", heeded, within=30)
    return kubectl


def _lease(name):
    metadata = {"name": name, "namespace": chart.NAMESPACE}
    return json.dumps({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}})


def _record(name, kind, **data):
    labels = {"meshauth.dev/record": kind, "app.kubernetes.io/managed-by": "mesh-auth-operator"} if kind else {}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": data}


def _apply(kubectl, ns, manifest):
    """As the operator writes: server-side, forced."""
    args = ["apply", "--server-side", "--force-conflicts", "--field-manager=mesh-auth-operator", "-n", ns.name, "-f", "-"]
    return kubectl.run(*args, stdin=json.dumps(manifest))


def _refused(outcome, says):
    assert outcome.code != 0, f"should have been refused: {outcome.out}"
    assert says in outcome.err and "denied request" in outcome.err, outcome.err


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("settings", "bundle", _NAME),
        ("kube-root-ca.crt", "trust", _NAME),
        ("mesh-auth-orders", None, _LABEL),
        ("mesh-auth-orders", "trust", _LABEL),
        ("mesh-auth-orders", "other", _LABEL),
        ("meshauth.trust", "bundle", _LABEL),
        (_KEYS, "keys", _LABEL),  # key sets belong into the operator's namespace
    ],
)
def test_it_cannot_create_another_config_map(as_operator, ns, name, kind, says):
    _refused(_apply(as_operator, ns, _record(name, kind)), says)
    assert ns.find("configmap", name) is None


def test_it_cannot_change_somebody_elses_config_map_nor_make_it_its_own(as_operator, ns):
    for name, says in (("settings", _NAME), ("mesh-auth-orders", _THEIRS)):
        theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}}
        ns.apply(theirs)
        _refused(_apply(as_operator, ns, _record(name, "bundle", a="c")), says)
        _refused(as_operator.run("label", "configmap", name, "-n", ns.name, "meshauth.dev/record=bundle"), says)
        _refused(as_operator.run("patch", "configmap", name, "-n", ns.name, "--type=merge", '-p={"data": {"a": "c"}}'), says)
        after = ns.get("configmap", name)
        assert after["data"] == {"a": "b"} and "labels" not in after["metadata"]


def test_it_cannot_delete_somebody_elses_config_map(as_operator, ns):
    for name, says in (("settings", _NAME), ("mesh-auth-orders", _THEIRS)):
        ns.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}})
        _refused(as_operator.run("delete", "configmap", name, "-n", ns.name), says)
        assert ns.find("configmap", name)


def test_its_own_it_creates_changes_and_deletes(as_operator, ns):
    for name, kind in (("mesh-auth-orders", "bundle"), ("meshauth.trust", "trust")):
        for value in ("1", "2"):
            done = _apply(as_operator, ns, _record(name, kind, a=value))
            assert done.code == 0, done.err
        # A hand took the label away: the record is put back.
        ns.edit("configmap", name, {"metadata": {"labels": {"meshauth.dev/record": None}}})
        done = _apply(as_operator, ns, _record(name, kind, a="3"))
        assert done.code == 0, done.err
        assert ns.get("configmap", name)["metadata"]["labels"]["meshauth.dev/record"] == kind
        done = as_operator.run("delete", "configmap", name, "-n", ns.name)
        assert done.code == 0, done.err
    space = ns.cluster.namespace(chart.NAMESPACE)
    done = _apply(as_operator, space, _record(_KEYS, "keys", a="1"))
    assert done.code == 0, done.err
    assert as_operator.run("delete", "configmap", _KEYS, "-n", space.name).code == 0


def test_a_record_of_its_own_cannot_become_one_of_another_kind(as_operator, ns):
    assert _apply(as_operator, ns, _record("mesh-auth-orders", "bundle")).code == 0
    _refused(_apply(as_operator, ns, _record("mesh-auth-orders", "trust")), _LABEL)
    _refused(as_operator.run("label", "configmap", "mesh-auth-orders", "-n", ns.name, "meshauth.dev/record-"), _LABEL)


def test_it_creates_no_other_secret_and_no_other_lease(as_operator, cluster):
    for name in ("other", "mesh-auth-keys-2"):
        _refused(as_operator.run("create", "secret", "generic", name, "-n", chart.NAMESPACE), "Secret mesh-auth-keys in its own namespace")
    _refused(as_operator.run("create", "-f", "-", stdin=_lease("other")), "Lease mesh-auth-operator in its own namespace")
    space = cluster.namespace(chart.NAMESPACE)
    assert space.find("secret", "other") is None and space.find("lease", "other") is None


def test_it_changes_no_event_of_another_reporter(as_operator, ns):
    def event(name, reporter):
        about = {"kind": "Pod", "name": "p", "namespace": ns.name, "apiVersion": "v1"}
        said = {"reason": "Tried", "message": "m", "type": "Normal", "source": {"component": reporter}}
        times = {"firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z", "count": 1}
        made = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": ns.name}, "involvedObject": about}
        return json.dumps(made | said | times | {"reportingComponent": reporter, "reportingInstance": "x"})

    ns.cluster.kubectl("create", "-f", "-", stdin=event("theirs", "kubelet"))
    assert as_operator.run("create", "-f", "-", stdin=event("ours", "mesh-auth-operator")).code == 0

    def change(name):
        path = f"/api/v1/namespaces/{ns.name}/events/{name}"
        return _patch(ns.cluster, as_operator, path, {"count": 2})

    status, text = change("theirs")
    assert status == 422 and "only events that it reported itself" in text, (status, text)
    status, text = change("ours")
    assert status == 200, (status, text)


def _patch(cluster, kubectl, path, change):
    """As the operator; kubectl would read the event first, which it may not."""
    config = yaml.safe_load(kubectl.kubeconfig.read_text())
    authority = kubectl.kubeconfig.with_suffix(".ca")
    authority.write_bytes(base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]))
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}", "Content-Type": "application/merge-patch+json"}
    answer = client.request("PATCH", cluster.server + path, headers=headers, body=json.dumps(change), authority=authority)
    return answer.status, answer.text


def test_nobody_else_is_confined(cluster, as_operator, ns):
    ns.apply(_record("settings", None, a="b"))
    ns.apply(_record("mesh-auth-orders", "trust"))
    ns.delete("configmap", "settings")
    cluster.kubectl("create", "secret", "generic", "somebodys", "-n", chart.NAMESPACE)
    cluster.kubectl("delete", "secret", "somebodys", "-n", chart.NAMESPACE)


def test_every_policy_is_bound_and_fails_closed(workdir):
    objects = chart.render(workdir)
    policies = {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "ValidatingAdmissionPolicy"}
    bound = [o["spec"] for o in objects if o["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert {spec["policyName"] for spec in bound} == policies.keys() and len(policies) == 5
    assert all(spec["validationActions"] == ["Deny"] and "matchResources" not in spec for spec in bound)
    who = f'request.userInfo.username == "system:serviceaccount:{chart.NAMESPACE}:mesh-auth-operator"'
    for spec in policies.values():
        assert spec["failurePolicy"] == "Fail" and [c["expression"] for c in spec["matchConditions"]] == [who]
