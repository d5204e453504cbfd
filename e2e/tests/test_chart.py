"""The chart: what it installs is taken by the real API server, and gives the operator no right too many."""

from __future__ import annotations

import base64
import json

import pytest
import yaml

from harness import chart, client, tools
from harness.kubectl import Kubectl
from harness.resources import KINDS
from harness.wait import await_until

pytestmark = pytest.mark.plane


def test_helm_finds_nothing_to_complain_about(workdir):
    assert "0 chart(s) failed" in chart.helm("lint", "--strict", str(chart.FOLDER), home=workdir)


@pytest.mark.parametrize(
    "values",
    [(), ("crds.enabled=false",), ("operator.defaultAction=Allow", "operator.minTerm=7"), ("watchNamespaces={default,kube-system}",)],
    ids=lambda values: values[-1].split("=")[0] if values else "defaults",
)
def test_the_api_server_takes_every_object(cluster, crds, workdir, values):
    cluster.namespace(chart.NAMESPACE)
    objects = chart.render(workdir, *values)
    text = yaml.safe_dump_all(objects)
    apply = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"]
    done = cluster.kubectl(*apply, stdin=text)
    assert len(done.splitlines()) == len(objects)


def test_its_crds_are_those_of_the_source(workdir):
    made = [o for o in chart.render(workdir) if o["kind"] == "CustomResourceDefinition"]
    source = [yaml.safe_load(file.read_text()) for file in (tools.REPO / "crds").glob("*.yaml")]
    assert len(source) == 2

    def specs(objects):
        return {o["metadata"]["name"]: o["spec"] for o in objects}

    assert specs(made) == specs(source)


def test_where_some_namespaces_are_watched_the_cluster_role_keeps_what_is_of_the_cluster(workdir):
    objects = chart.render(workdir, "watchNamespaces={shop,bank}", "operator.rootNamespace=mesh-root")
    (role,) = [o for o in objects if o["kind"] == "ClusterRole" and o["metadata"]["name"] == "mesh-auth-operator"]
    kept = {resource: rule for rule in role["rules"] for resource in rule.get("resources", [])}
    assert kept.keys() == {"namespaces", "customresourcedefinitions", "tokenreviews", "mutatingwebhookconfigurations"}
    assert kept["namespaces"]["resourceNames"] == ["bank", "mesh-root", "shop"]
    watched = [o for o in objects if o["kind"] == "Role" and o["metadata"]["name"].endswith("-watched")]
    assert [o["metadata"]["namespace"] for o in watched] == ["bank", "mesh-root", "shop"]
    (everywhere,) = [
        o for o in chart.render(workdir) if o["kind"] == "ClusterRole" and o["metadata"]["name"] == "mesh-auth-operator"
    ]
    for each in watched:
        assert all(rule in everywhere["rules"] for rule in each["rules"])
    (deployment,) = [o for o in objects if o["kind"] == "Deployment"]
    flags = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert [flag for flag in flags if "watch" in flag] == ["--watch-namespace=shop", "--watch-namespace=bank"]


@pytest.mark.parametrize("values", [(), ("watchNamespaces={shop}",)], ids=["all", "some"])
def test_no_rule_of_its_rbac_has_a_wildcard(workdir, values):
    roles = [o for o in chart.render(workdir, *values) if o["kind"] in ("Role", "ClusterRole")]
    assert len(roles) >= 2
    for role in roles:
        for rule in role["rules"]:
            words = [word for words in rule.values() for word in words]
            assert not [word for word in words if "*" in word], (role["metadata"]["name"], rule)


def test_the_operator_may_do_its_work_and_read_no_other_secret(cluster, workdir, operator_rights):
    kubeconfig = chart.restricted_kubeconfig(cluster, operator_rights, workdir / "rights.kubeconfig")
    kubectl = Kubectl(cluster.kubectl.program, kubeconfig, home=workdir)

    def may(*words):
        return kubectl.run("auth", "can-i", *words).out.strip() == "yes"

    for allowed in (
        ("watch", "pods", "-A"),
        ("watch", "services", "-A"),
        ("watch", "accesspolicies.meshauth.dev", "-A"),
        ("patch", "identityproviders.meshauth.dev/status", "-A", "--subresource=status"),
        ("patch", "configmaps", "-A"),
        ("create", "tokenreviews.authentication.k8s.io"),
        ("get", "secrets/mesh-auth-keys", "-n", chart.NAMESPACE),
        ("update", "secrets/mesh-auth-keys", "-n", chart.NAMESPACE),
        ("get", "/openid/v1/jwks"),
    ):
        assert may(*allowed), f"the operator may not {' '.join(allowed)}"
    for forbidden in (
        ("list", "secrets", "-A"),
        ("list", "secrets", "-n", chart.NAMESPACE),
        ("get", "secrets/other", "-n", chart.NAMESPACE),
        ("update", "secrets/other", "-n", chart.NAMESPACE),
        ("delete", "secrets/mesh-auth-keys", "-n", chart.NAMESPACE),
        ("get", "secrets/mesh-auth-keys", "-n", "default"),
        ("create", "pods", "-A"),
        ("patch", "pods", "-A"),
        ("patch", "services", "-A"),
        ("update", "accesspolicies.meshauth.dev", "-A"),
        ("create", "serviceaccounts/token", "-A"),
        ("escalate", "clusterroles"),
    ):
        assert not may(*forbidden), f"the operator may {' '.join(forbidden)}"


def test_of_a_pod_the_operator_may_change_one_annotation(cluster, workdir, operator_rights, ns):
    kubeconfig = chart.restricted_kubeconfig(cluster, operator_rights, workdir / "touch.kubeconfig")
    config = yaml.safe_load(kubeconfig.read_text())
    authority = workdir / "touch.ca.pem"
    authority.write_bytes(base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]))
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}", "Content-Type": "application/merge-patch+json"}
    pod = ns.create_pod("orders")
    ns.edit("pod", pod.name, {"metadata": {"annotations": {"somebodys": "own"}}})

    def patch(change, under="/status"):
        """As the operator; kubectl would read the pod first, which it may not."""
        url = cluster.server + KINDS["pod"].path(ns.name, pod.name) + under
        return client.request("PATCH", url, headers=headers, body=json.dumps(change), authority=authority)

    def heeded():
        answer = patch({"metadata": {"annotations": {"other": "1"}}})
        assert answer.status == 422 and "meshauth.dev/recorded alone" in answer.text, (answer.status, answer.text)
        return True

    # The API server takes a moment to heed a new policy.

    await_until("the policy is heeded", heeded, within=30)
    for refused, says in (
        ({"status": {"phase": "Failed"}}, "nothing of a pod's spec and status"),
        ({"status": {"podIP": "192.0.2.1"}}, "nothing of a pod's spec and status"),
        ({"metadata": {"labels": {"meshauth.dev/workload": "bank"}}}, "neither labels nor finalizers"),
        ({"metadata": {"finalizers": ["meshauth.dev/stay"]}}, "neither labels nor finalizers"),
        ({"metadata": {"annotations": {"somebodys": None}}}, "meshauth.dev/recorded alone"),
        ({"metadata": {"annotations": {"meshauth.dev/recorded": "no revision"}}}, "64 hexadecimal digits"),
        ({"metadata": {"annotations": {"meshauth.dev/recorded": "a" * 64}}, "status": {"reason": "Evicted"}}, "spec and status"),
    ):
        answer = patch(refused)
        assert answer.status == 422 and says in answer.text, (refused, answer.status, answer.text)
    before = ns.get("pod", pod.name)
    done = patch({"metadata": {"annotations": {"meshauth.dev/recorded": "a" * 64}}})
    assert done.status == 200, done.text
    after = ns.get("pod", pod.name)
    assert after["metadata"]["annotations"] == {"somebodys": "own", "meshauth.dev/recorded": "a" * 64}
    assert after["status"] == before["status"] and after["metadata"]["labels"] == before["metadata"]["labels"]
    assert patch({"metadata": {"labels": {"x": "y"}}}, under="").status == 403
