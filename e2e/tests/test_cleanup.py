"""What a release's end takes away where some namespaces were watched: with rights in these alone, and nothing elsewhere."""

from __future__ import annotations

import pytest
import yaml

from harness import chart, tools
from harness.kubectl import Kubectl

pytestmark = pytest.mark.operator

_VALUES = ("crds.enabled=false", "watchNamespaces={shop}", "operator.rootNamespace=mesh-root")
_PLACES = ("mesh-auth-system", "mesh-root", "shop")
_RECORD = {"meshauth.dev/record": "bundle"}


def _cleanup(home):
    """The objects of the hook but its Job, and the Job's arguments."""
    made = [o for o in chart.render(home, *_VALUES, hooks=True) if o["metadata"].get("annotations", {}).get("helm.sh/hook") == "post-delete"]
    [job] = [o for o in made if o["kind"] == "Job"]
    [container] = job["spec"]["template"]["spec"]["containers"]
    return [o for o in made if o["kind"] != "Job"], container["args"]


def _record(space, name, labels):
    space.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "b"}})


def _leave_lease(space):
    """As an operator leaves it whose rights went before its pod."""
    held = {"holderIdentity": "mesh-auth-operator-7d9c5bf6d-x2x8p_0c7a8a39", "leaseDurationSeconds": 15}
    metadata = {"name": "mesh-auth-operator", "annotations": {"meshauth.dev/term": "7"}}
    space.apply({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": held})


def test_records_of_watched_namespaces_go_with_rights_in_these_alone(supervisor, elsewhere, tmp_path):
    cluster = elsewhere.cluster
    spaces = {name: cluster.namespace(name) for name in (*_PLACES, "bank")}
    for space in spaces.values():
        _record(space, "mesh-auth-orders", _RECORD)
        _record(space, "somebodys", {"app": "orders"})
    objects, arguments = _cleanup(tmp_path)
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    [account] = [o["metadata"]["name"] for o in objects if o["kind"] == "ServiceAccount"]
    kubeconfig = chart.restricted_kubeconfig(cluster, account, tmp_path / "cleanup.kubeconfig")
    assert not [o["metadata"]["name"] for o in objects if o["kind"].startswith("Cluster")]
    kubectl = Kubectl(cluster.kubectl.program, kubeconfig, home=tmp_path)
    may = {name: kubectl.run("auth", "can-i", "delete", "configmaps", "-n", name).out.strip() for name in spaces}
    assert may == {**dict.fromkeys(_PLACES, "yes"), "bank": "no"}

    _leave_lease(spaces[chart.NAMESPACE])
    process = supervisor.start("cleanup", [tools.program("mesh-auth-operator"), f"--kubeconfig={kubeconfig}", *arguments])
    try:
        # Shorter than the Lease of an operator whose pod is gone would be waited for.
        assert process.exit_code(within=10) == 0, process.tail()
    finally:
        supervisor.stop(process)
    assert not spaces[chart.NAMESPACE].list("lease")
    left = {name: {o["metadata"]["name"] for o in space.list("configmap")} - {"kube-root-ca.crt"} for name, space in spaces.items()}
    assert left == {**dict.fromkeys(_PLACES, {"somebodys"}), "bank": {"mesh-auth-orders", "somebodys"}}
