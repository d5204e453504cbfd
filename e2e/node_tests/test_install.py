"""The chart with our image on a real node."""

from __future__ import annotations

from harness import chart
from harness.wait import await_until

_OPERATOR = "app.kubernetes.io/name=mesh-auth-operator"


def test_the_operator_is_ready_where_only_locked_down_pods_may_run(node, release):
    space = node.cluster.find("namespace", chart.NAMESPACE)
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = node.cluster.list("pod", chart.NAMESPACE, f"?labelSelector={_OPERATOR}")
    assert len(pods) == 1
    status = pods[0]["status"]["containerStatuses"][0]
    assert status["ready"] and status["restartCount"] == 0, status


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
