"""What one resource says of another, and of pods: named in conditions, never wider than meant."""

from __future__ import annotations

import pytest
import yaml

from harness import tools
from harness.resources import ANYONE, READ, access_policy, caller, identity_provider, rule
from harness.wait import await_until

pytestmark = pytest.mark.operator

_BEYOND = sorted((tools.REPO / "crds" / "testdata" / "beyond").glob("*.yaml"))


def test_a_policy_without_pods_says_so_and_needs_nobody(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ), workloads=["nowhere"])
    mesh.ns.await_condition("accesspolicy", "readers", "Programmed", "False", reason="NoSidecars")
    mesh.ns.await_condition("accesspolicy", "readers", "Ready", "True", reason="NoSidecars")
    assert mesh.ns.get("accesspolicy", "readers")["status"]["sidecarSummary"] == "0/0"


@pytest.mark.sidecar
def test_an_allow_with_a_provider_that_does_not_exist_matches_nobody(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", caller("missing"), READ))
    missing = f"{mesh.ns.name}/missing"
    mesh.ns.await_condition(
        "accesspolicy", "readers", "ResolvedRefs", "False", reason="ProviderNotFound", says=missing
    )
    mesh.ns.await_condition("accesspolicy", "readers", "Ready", "False")
    orders = mesh.sidecar("orders")
    orders.await_answer(200, token=oidc.token("alice", "orders:read"))  # the other entry works
    orders.answers(403, token=oidc.token("alice"))


@pytest.mark.sidecar
def test_a_deny_with_a_provider_that_does_not_exist_matches_everyone(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("all", rule("all", ANYONE))
    orders = mesh.sidecar("orders")
    orders.await_answer(200, "/admin")
    mesh.policy("no", rule("no", caller("missing", subjects=["x"]), action="Deny", to=[{"paths": ["/admin"]}]))
    mesh.ns.await_condition("accesspolicy", "no", "ResolvedRefs", "False", says="missing")
    orders.await_answer(403, "/admin")
    orders.answers(403, "/admin", token=oidc.token("alice"))
    orders.answers(200, "/")  # `to` still restricts it


@pytest.mark.sidecar
def test_a_provider_that_comes_later_is_resolved(mesh, oidc):
    mesh.policy("readers", rule("read", READ))
    mesh.ns.await_condition("accesspolicy", "readers", "ResolvedRefs", "False")
    orders = mesh.sidecar("orders")
    mesh.provider(oidc)
    mesh.ns.await_condition("accesspolicy", "readers", "ResolvedRefs", "True")
    orders.await_answer(200, token=oidc.token("alice", "orders:read"))


@pytest.mark.sidecar
@pytest.mark.parametrize(
    ("allowed", "resolved"),
    [
        (None, False),
        ({"from": "Same"}, False),
        ({"from": "All"}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "orders"}}}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "users"}}}, False),
    ],
    ids=["default", "same", "all", "selected", "not-selected"],
)
def test_a_provider_of_another_namespace_must_be_shared(cluster, mesh, oidc, allowed, resolved):
    mesh.ns.edit_labels({"team": "orders"})
    with cluster.temporary_namespace("idp") as shared:
        spec = {"issuer": oidc.issuer, "audiences": ["api://orders"], "tls": {"caBundle": oidc.authority.pem}}
        if allowed:
            spec["allowedNamespaces"] = allowed
        shared.accepts(identity_provider("idp", **spec))
        mesh.policy("readers", rule("read", caller("idp", shared.name)))
        mesh.ns.await_condition("accesspolicy", "readers", "ResolvedRefs", str(resolved))
        orders = mesh.sidecar("orders")
        orders.await_answer(200 if resolved else 403, token=oidc.token("alice"))


@pytest.mark.parametrize("file", _BEYOND, ids=lambda file: file.stem)
def test_what_the_schema_cannot_refuse_is_not_accepted(mesh, file):
    manifest = yaml.safe_load(file.read_text())
    manifest["metadata"].pop("namespace", None)
    mesh.ns.accepts(manifest)
    kind, name = manifest["kind"].lower(), manifest["metadata"]["name"]
    found = mesh.ns.await_condition(kind, name, "Accepted", "False", says="spec.")
    mesh.ns.await_condition(kind, name, "Ready", "False")
    assert len(found["message"]) > 20


def test_a_root_policy_that_names_workloads_is_not_accepted(cluster, operator):
    root = cluster.namespace("mesh-auth-system")
    root.accepts(access_policy("named", rules=[], workloads=["orders"]))
    try:
        root.await_condition("accesspolicy", "named", "Accepted", "False", says="workloads")
    finally:
        root.delete("accesspolicy", "named")


@pytest.mark.sidecar
def test_a_policy_that_turns_invalid_keeps_its_last_good_form(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    orders = mesh.sidecar("orders")
    token = oidc.token("alice", "orders:read")
    orders.await_answer(200, token=token)
    twice = {"paths": ["/a/{id}/b/{id}"]}
    mesh.policy("readers", rule("read", ANYONE, to=[twice], when=[{"pathVariable": "id", "equalsClaim": ["sub"]}]))
    mesh.ns.await_condition("accesspolicy", "readers", "Accepted", "False", says="id")
    orders.answers(200, token=token)
    orders.answers(401)


def test_two_flavours_in_one_workload_are_a_condition(mesh, oidc):
    mesh.policy("all", rule("all", ANYONE))
    mesh.ns.create_pod("orders", labels={"meshauth.dev/flavour": "Module"})
    mesh.ns.create_pod("orders", labels={"meshauth.dev/flavour": "NginxPlus"})
    mesh.ns.await_condition("accesspolicy", "all", "Programmed", "False", reason="FlavourConflict", says="orders")


def test_a_workload_name_that_is_no_dns_label_gets_an_event_and_no_bundle(mesh):
    mesh.policy("all", rule("all", ANYONE))
    pod = mesh.ns.create_pod("Not_A.Label")

    def told():
        return [e for e in mesh.ns.list("event") if "Not_A.Label" in e.get("message", "")]

    await_until(f"there is an event about pod {pod.name}", told)
    assert [c["metadata"]["name"] for c in mesh.ns.list("configmap") if "Not_A" in c["metadata"]["name"]] == []


def test_pods_that_ended_are_not_counted(mesh):
    mesh.policy("all", rule("all", ANYONE))
    for phase in ("Succeeded", "Failed"):
        mesh.ns.create_pod("orders", phase=phase)
    mesh.ns.await_condition("accesspolicy", "all", "Programmed", "False", reason="NoSidecars")
    mesh.ns.create_pod("orders", phase="Running")
    mesh.ns.await_condition("accesspolicy", "all", "Programmed", "False", says="1")
    assert mesh.ns.get("accesspolicy", "all")["status"]["sidecars"] == {"total": 1, "programmed": 0}
    mesh.ns.await_condition("accesspolicy", "all", "Ready", "True")  # not yet connected is nobody's fault
