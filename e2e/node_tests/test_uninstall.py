"""helm uninstall: what was asked to stay stays, nothing else does, and sidecars go on meanwhile."""

from __future__ import annotations

import json

import pytest

from harness import chart

_KINDS = (
    "configmaps,secrets,serviceaccounts,services,deployments,jobs,pods,leases,roles,rolebindings,clusterroles,clusterrolebindings,"
    "mutatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings,networkpolicies"
)
_CRDS = ("accesspolicies.meshauth.dev", "identityproviders.meshauth.dev")


def _of_the_release(cluster):
    """Everything that the chart or the operator made, by kind and name; the shop's own manifests are not among it."""
    found = json.loads(cluster.kubectl("get", _KINDS, "-A", "-o", "json"))["items"]

    def ours(metadata):
        labels = metadata.get("labels", {})
        return (
            "meshauth.dev/record" in labels
            or labels.get("app.kubernetes.io/part-of") == "nginx-mesh-auth"
            or (metadata.get("namespace") == chart.NAMESPACE and "mesh-auth" in metadata["name"])
        )

    return {f"{o['kind']} {o['metadata'].get('namespace', '')}/{o['metadata']['name']}" for o in found if ours(o["metadata"])}


@pytest.mark.timeout(400)
def test_crds_stay_or_go_as_asked_and_there_is_no_orphan(node, shop, release, images, said):
    token = shop.token()
    before = _of_the_release(node.cluster)
    kinds = {name.split()[0] for name in before}
    assert {"ConfigMap", "Secret", "Lease", "ClusterRole", "Deployment", "MutatingWebhookConfiguration"} <= kinds, before
    start = shop.count_all()

    release.uninstall()
    assert _of_the_release(node.cluster) == set()
    for name in _CRDS:
        node.cluster.kubectl("get", "crd", name)
    assert shop.ns.get("accesspolicy", "orders")["spec"]["rules"]
    assert shop.ask("/orders/7", token) == 200 and shop.ask("/orders/7") == 401

    release.install(images)
    # Its keys are new. The sidecar, still running, takes them from the volume that kubelet refreshes.
    shop.change_edge(within=180)
    seen = shop.since(start)
    said(f"uninstalled and installed again under load: requests {sum(sum(s.values()) for s in seen.values())}, answers {seen}")
    assert set(seen["open"]) == {200} and set(seen["shut"]) == {403} and set(seen["naked"]) == {401}, seen

    release.uninstall()
    release.install(images, "crds.keep=false")
    release.uninstall()
    assert _of_the_release(node.cluster) == set()
    for name in _CRDS:
        gone = node.cluster.kubectl.run("get", "crd", name)
        assert gone.code and "not found" in gone.err, gone
