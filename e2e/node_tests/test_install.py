"""The chart with our image on a real node."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import chart
from harness.wait import await_until
from node import pod_processes

_OPERATOR = "app.kubernetes.io/name=mesh-auth-operator"


def test_the_operator_is_ready_where_only_locked_down_pods_may_run(node, release):
    space = node.cluster.find("namespace", chart.NAMESPACE)
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = node.cluster.list("pod", chart.NAMESPACE, f"?labelSelector={_OPERATOR}")
    assert len(pods) == 1
    status = pods[0]["status"]["containerStatuses"][0]
    assert status["ready"] and status["restartCount"] == 0, status


def test_the_operator_runs_as_nobody_in_particular_and_may_write_nothing(node, release):
    [pod] = node.cluster.list("pod", chart.NAMESPACE, f"?labelSelector={_OPERATOR}")
    [container] = pod["spec"]["containers"]
    allowed = {**pod["spec"]["securityContext"], **container["securityContext"]}
    wanted = {"runAsNonRoot": True, "runAsUser": 65532, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}
    assert {name: allowed.get(name) for name in wanted} == wanted, allowed
    assert allowed["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.own_node("it looks at the processes of a pod")
def test_and_so_its_process_does(node, release):
    [pod] = node.cluster.list("pod", chart.NAMESPACE, f"?labelSelector={_OPERATOR}")
    assert pod_processes.capabilities(pod) == {"mesh-auth-opera": {0}}
    [operator] = [pid for pid in pod_processes.of(pod) if Path(f"/proc/{pid}/comm").read_text() == "mesh-auth-opera\n"]
    status = dict(line.split(":", 1) for line in Path(f"/proc/{operator}/status").read_text().splitlines())
    assert set(status["Uid"].split()) == {"65532"} and status["NoNewPrivs"].strip() == "1"
    root = [line.split() for line in Path(f"/proc/{operator}/mountinfo").read_text().splitlines() if line.split()[4] == "/"]
    assert root and all("ro" in words[5].split(",") for words in root), root


def test_the_namespace_refuses_a_pod_that_is_not_locked_down(node, release):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "loose"}}
    pod["spec"] = {"containers": [{"name": "loose", "image": "localhost/none:1"}]}
    node.cluster.namespace(chart.NAMESPACE).rejects(pod, "violates PodSecurity")


def test_what_the_operator_counts_is_served(node, release):
    path = f"/api/v1/namespaces/{chart.NAMESPACE}/services/http:mesh-auth-operator-metrics:9090/proxy/metrics"

    def served():
        answer = node.cluster.api("GET", path)
        assert answer.status == 200, answer.text[:200]
        return "mesh_auth_" in answer.text

    await_until("metrics come through the Service", served)


def _await_cleared(node):
    place = f"{chart.NAMESPACE}-test"
    await_until("the test's namespace is gone", lambda: node.cluster.find("namespace", place) is None, within=60)


def test_helm_test_proves_a_401_and_a_200_and_leaves_nothing(node, release):
    code, said = release.test()
    assert code == 0, said
    for line in ("GET /healthz without a token: 401", "GET /healthz with a token: 200", "proved"):
        assert line in said, said
    _await_cleared(node)


def test_helm_test_fails_without_the_operator(node, release):
    # All of test.withinSeconds is waited: an operator may start later than its test. So there is less of it here.
    with release.with_values("replicas=0", "test.withinSeconds=5"):
        code, said = release.test()
        assert code != 0 and "not 401 and 200 within 5 s" in said, said
        _await_cleared(node)


def test_who_has_a_role_of_kubernetes_has_ours_with_it(node, release):
    with node.cluster.temporary_namespace("roles") as space:
        for role in ("view", "edit", "admin"):
            node.cluster.kubectl("create", "rolebinding", role, "-n", space.name, f"--clusterrole={role}", f"--user={role}")

        def may(user, verb, kind):
            asked = ("auth", "can-i", verb, f"{kind}.meshauth.dev", "-n", space.name, f"--as={user}")
            return node.cluster.kubectl.run(*asked).out.strip() == "yes"

        await_until("the roles were added", lambda: may("view", "get", "accesspolicies"), within=30)
        for kind, writers in (("accesspolicies", {"edit", "admin"}), ("identityproviders", {"admin"})):
            assert {user for user in ("view", "edit", "admin") if may(user, "list", kind)} == {"view", "edit", "admin"}
            assert {user for user in ("view", "edit", "admin") if may(user, "update", kind)} == writers
