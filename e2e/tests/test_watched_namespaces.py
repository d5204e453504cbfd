"""An operator that watches some namespaces: with the rights that the chart gives it there, and nothing is done elsewhere."""

from __future__ import annotations

import json

import pytest

from harness import chart, client
from harness.kubectl import Kubectl
from harness.mesh import Mesh
from harness.resources import ANYONE, READ, access_policy, caller, identity_provider, rule
from harness.sidecar import TRUST

pytestmark = pytest.mark.operator

WATCH = "--watch-namespace=shop"


@pytest.fixture
def shop(supervisor, workdir, elsewhere, tmp_path):
    """(mesh of namespace shop, namespace bank, kubectl as the operator): the operator watches shop alone."""
    cluster = elsewhere.cluster
    elsewhere.install_crds()
    shop, bank = cluster.namespace("shop"), cluster.namespace("bank")
    account = chart.install_rights(cluster, tmp_path, "watchNamespaces={shop}")
    kubeconfig = chart.restricted_kubeconfig(cluster, account, tmp_path / "operator.kubeconfig")
    operator = elsewhere.operator(kubeconfig)
    operator.start(WATCH)
    mesh = Mesh(supervisor, workdir / "watched", shop, operator)  # a short path: sockets are below
    yield mesh, bank, Kubectl(cluster.kubectl.program, kubeconfig, home=tmp_path)
    mesh.close()
    operator.stop()


@pytest.mark.sidecar
def test_a_policy_works_in_a_watched_namespace_and_is_left_alone_elsewhere(shop, oidc):
    mesh, bank, _ = shop
    bank.accepts(access_policy("readers", workloads=["orders"], rules=[rule("all", ANYONE)]))
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ), workloads=["orders"])
    sidecar = mesh.sidecar()
    mesh.ns.await_condition("accesspolicy", "readers", "Programmed", within=30)
    token = oidc.token("alice", "orders:read")
    sidecar.answers(401)
    sidecar.await_answer(200, token=token)

    # Mesh-wide policies come from the root namespace, which is watched too.
    root = mesh.ns.cluster.namespace(chart.NAMESPACE)
    root.accepts(access_policy("nobody", rules=[rule("all", action="Deny")]))
    root.await_condition("accesspolicy", "nobody", "Programmed", within=30)
    sidecar.answers(403, token=token)

    assert bank.get("accesspolicy", "readers").get("status", {}).get("conditions", []) == []
    assert bank.list("configmap") == []
    assert "bank" not in mesh.operator.process.output()


def test_a_provider_that_is_not_watched_is_said_to_be_so(shop, oidc):
    mesh, bank, _ = shop
    spec = {"issuer": oidc.issuer, "audiences": ["api://orders"], "allowedNamespaces": {"from": "All"}}
    bank.accepts(identity_provider("idp", **spec))
    mesh.policy("readers", rule("read", caller(namespace="bank")))
    mesh.ns.await_condition(
        "accesspolicy", "readers", "ResolvedRefs", "False", reason="ProviderNotFound",
        says=("bank/idp is in a namespace that this operator does not watch", "--watch-namespace"),
    )


def test_a_sidecar_elsewhere_is_refused_and_told_why(shop, tmp_path):
    mesh, bank, _ = shop
    pod = bank.create_pod("orders")
    mesh.policy("any", rule("all", ANYONE), workloads=["orders"])
    trust = json.loads(mesh.ns.await_exists("configmap", TRUST)["data"]["trust.json"])
    authority = tmp_path / "fleet-ca.pem"
    authority.write_text("\n".join(trust["certificateAuthorities"]))
    url = f"{mesh.operator.fleet_url}/v1/workloads/bank/orders/stream"
    answer = client.get(url, headers={"Authorization": f"Bearer {pod.token()}"}, authority=authority)
    assert answer.status == 403
    assert "namespace bank is not watched by this operator" in answer.text and "--watch-namespace" in answer.text


def test_its_rights_end_with_the_watched_namespaces(shop):
    mesh, _, as_operator = shop

    def may(*words):
        return as_operator.run("auth", "can-i", *words).out.strip() == "yes"

    for space in ("shop", chart.NAMESPACE):
        for right in (("watch", "pods"), ("list", "services"), ("watch", "accesspolicies.meshauth.dev"), ("patch", "configmaps")):
            assert may(*right, "-n", space), (space, right)
    for right in (("watch", "pods"), ("list", "services"), ("get", "accesspolicies.meshauth.dev"), ("create", "configmaps"), ("create", "events")):
        assert not may(*right, "-n", "bank"), right
        assert not may(*right, "-A"), right
    assert not may("list", "namespaces") and may("watch", "namespaces/shop") and not may("watch", "namespaces/bank")


def test_wrong_namespaces_are_named(supervisor, elsewhere, tmp_path):
    operator = elsewhere.operator(tmp_path / "none")
    many = [f"--watch-namespace=n{i}" for i in range(64)]
    for flags, says in (
        (["--watch-namespace=Not_A_Name"], "Not_A_Name"),
        (many, "65 namespaces"),
        ([WATCH, f"--source={tmp_path}", f"--output={tmp_path}"], "no use"),
    ):
        argv = [word for word in operator.argv(*flags) if not (flags[0] == WATCH and word.startswith("--kubeconfig"))]
        process = supervisor.start("operator-watch-flags", argv)
        try:
            assert process.exit_code(within=20) == 2
            assert says in process.output(), (flags[0], process.output())
        finally:
            supervisor.stop(process)
