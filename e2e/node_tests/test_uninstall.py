"""helm uninstall: what was asked to stay stays, nothing else does, and sidecars go on meanwhile."""

from __future__ import annotations

import pytest

from harness import chart, everything
from harness.wait import await_until

_CRDS = ("accesspolicies.meshauth.dev", "identityproviders.meshauth.dev")
_OPERATOR = "mesh-auth-operator"
_RESOURCES = ("AccessPolicy", "IdentityProvider")
# What the page of the chart says: events, which the API server forgets by itself; the namespace, which is not the release's.
_NOT_OURS = {("Namespace", chart.NAMESPACE), ("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}


def _is_ours(kind, metadata):
    """Did the chart or the operator make it? The shop's own manifests are not among it, nor what somebody wrote and the operator marked."""
    name, labels = metadata["name"], metadata.get("labels", {})
    if kind == "Event" or (kind, name) in _NOT_OURS or (kind == "CustomResourceDefinition" and name in _CRDS):
        return False
    managers = {entry.get("manager") for entry in metadata.get("managedFields", [])}
    return (
        "mesh-auth" in name
        or metadata.get("namespace") == chart.NAMESPACE
        or "meshauth.dev/record" in labels
        or labels.get("app.kubernetes.io/part-of") == "nginx-mesh-auth"
        or metadata.get("annotations", {}).get("meta.helm.sh/release-name") == chart.RELEASE
        or (_OPERATOR in managers and kind not in ("Pod", *_RESOURCES))
    )


def _of_the_release(cluster):
    """By kind and name, over all kinds of the cluster."""
    return {f"{kind} {m.get('namespace', '')}/{m['name']}" for kind, m in everything.objects(cluster) if _is_ours(kind, m)}


def _await_nothing(cluster):
    """What belonged to something that is gone goes a moment later."""

    def nothing():
        left = _of_the_release(cluster)
        assert not left, sorted(left)
        return True

    await_until("nothing of the release is left", nothing, within=30, every=0.2)


@pytest.mark.timeout(400)
def test_crds_stay_or_go_as_asked_and_there_is_no_orphan(node, shop, release, images, said):
    token = shop.token()
    before = _of_the_release(node.cluster)
    kinds = {name.split()[0] for name in before}
    assert {"ConfigMap", "Secret", "Lease", "ClusterRole", "Deployment", "MutatingWebhookConfiguration", "EndpointSlice", "ReplicaSet"} <= kinds, before
    start = shop.count_all()

    release.uninstall()
    _await_nothing(node.cluster)
    for name in _CRDS:
        node.cluster.kubectl("get", "crd", name)
    assert shop.ns.get("accesspolicy", "orders")["spec"]["rules"]
    assert shop.ask("/orders/7", token) == 200 and shop.ask("/orders/7") == 401

    release.install(images, "crds.keep=false")
    # Its keys are new. The sidecar, still running, takes them from the volume that kubelet refreshes.
    shop.change_edge(within=180)
    seen = shop.since(start)
    said(f"uninstalled and installed again under load: requests {sum(sum(s.values()) for s in seen.values())}, answers {seen}")
    assert set(seen["open"]) == {200} and set(seen["shut"]) == {403} and set(seen["naked"]) == {401}, seen

    release.uninstall()
    _await_nothing(node.cluster)
    for name in _CRDS:
        gone = node.cluster.kubectl.run("get", "crd", name)
        assert gone.code and "not found" in gone.err, gone
