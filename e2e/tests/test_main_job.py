"""The main job: a person applies two resources, and nginx starts telling callers apart."""

from __future__ import annotations

import json

import pytest

from harness.resources import ANYONE, READ, access_policy, caller, rule
from harness.wait import await_until

_URL_CLAIM = "https://example.com/tier"

pytestmark = [pytest.mark.operator, pytest.mark.sidecar]


def test_a_kubectl_apply_changes_nginxs_answer(mesh, oidc):
    orders = mesh.sidecar("orders")
    orders.await_answer(403)  # no policy selects it: the mesh's default is Deny

    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    refused = orders.await_answer(401)
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert "error=" not in refused.headers["www-authenticate"]  # no token was sent: RFC 6750, section 3.1

    short = orders.answers(403, token=oidc.token("alice"))
    assert 'error="insufficient_scope"' in short.headers["www-authenticate"]
    seen = orders.answers(200, "/a/b?c=d", token=oidc.token("alice", "orders:read")).json()
    assert (seen["method"], seen["path"]) == ("GET", "/a/b?c=d")


def test_status_says_what_runs(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ), workloads=["orders"])
    orders = mesh.sidecar("orders")
    orders.await_answer(401)

    for type in ("Accepted", "ResolvedRefs", "Programmed", "Ready"):
        mesh.ns.await_condition("accesspolicy", "readers", type)
    status = mesh.ns.get("accesspolicy", "readers")["status"]
    assert status["sidecars"] == {"total": 1, "programmed": 1} and status["sidecarSummary"] == "1/1"
    assert status["workloads"] == 1 and "orders" in status["target"]

    for type in ("Accepted", "Discovered", "KeysFresh", "Ready"):
        mesh.ns.await_condition("identityprovider", "idp", type)
    status = mesh.ns.get("identityprovider", "idp")["status"]
    assert status["issuer"] == oidc.issuer and status["jwksUri"] == f"{oidc.issuer}/jwks"
    assert status["keyCount"] == 3 and {key["state"] for key in status["keys"]} == {"Active"}
    assert {key["kid"] for key in status["keys"]} == {key["kid"] for key in oidc.jwks()["keys"]}


def test_kubectl_wait_and_the_columns_tell_a_person(cluster, mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    mesh.sidecar("orders").await_answer(401)
    wait = ["wait", "-n", mesh.ns.name, "--for=condition=Ready", "--timeout=20s"]
    cluster.kubectl(*wait, "idprov/idp", "accpol/readers")
    mesh.ns.await_condition("accesspolicy", "readers", "Programmed")
    provider, policy = (
        cluster.kubectl("get", kind, "-n", mesh.ns.name, "--no-headers").split() for kind in ("idprov", "accpol")
    )
    assert provider[:4] == ["idp", "True", oidc.issuer, "3"]
    assert policy[:3] == ["readers", "True", "Enforce"] and "1/1" in policy


def test_the_bundle_is_in_a_config_map_of_the_workload(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    orders = mesh.sidecar("orders")
    orders.await_answer(401)
    mesh.ns.await_condition("accesspolicy", "readers", "Programmed")
    record = mesh.ns.await_exists("configmap", "mesh-auth-orders")
    assert {"manifest.json", "manifest.json.sig", "auth.conf", "policy.json", "jwks.json"} <= set(record["data"])
    manifest = json.loads(record["data"]["manifest.json"])
    assert mesh.ns.name in json.dumps(manifest) and "orders" in json.dumps(manifest)
    assert '"d"' not in record["data"]["jwks.json"]


def test_an_edited_policy_gives_new_answers_without_a_reload(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    orders = mesh.sidecar("orders")
    reader, writer = oidc.token("alice", "orders:read"), oidc.token("alice", "orders:write")
    orders.await_answer(200, token=reader)
    before = orders.nginx_pids()

    mesh.policy("readers", rule("write", caller(scopes={"all": ["orders:write"]})))
    orders.await_answer(200, token=writer)
    orders.answers(403, token=reader)
    assert orders.nginx_pids() == before

    mesh.ns.delete("accesspolicy", "readers")
    orders.await_answer(403, token=writer)
    assert orders.nginx_pids() == before


def test_a_caller_reaches_its_own_path_and_no_other(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy(
        "own",
        rule(
            "own-orders",
            caller(),
            to=[{"methods": ["GET"], "paths": ["/users/{id}/orders/**"]}],
            when=[{"pathVariable": "id", "equalsClaim": ["sub"]}],
        ),
    )
    orders = mesh.sidecar("orders")
    token = oidc.token("alice")  # client_credentials: sub is the client's name
    orders.await_answer(200, "/users/alice/orders", token=token)
    orders.answers(200, "/users/alice/orders/7", token=token)
    orders.answers(403, "/users/bob/orders", token=token)
    orders.answers(403, "/users/alice/orders", token=token, method="DELETE")
    orders.answers(403, "/users/alice", token=token)
    orders.answers(400, "/users/bob/../alice/orders", token=token)
    orders.answers(400, "/users/alice%2forders", token=token)


@pytest.mark.parametrize(
    ("entry", "allowed", "denied"),
    [
        (caller(groups={"any": ["traders"]}), "alice", "bob"),
        (caller(subjects=["ali*"]), "alice", "bob"),
        (caller(clients=["bob"]), "bob", "alice"),
        (caller(claims=[{"path": ["tier"], "operator": "In", "values": ["gold"]}]), "alice", "bob"),
        (caller(claims=[{"path": ["tenant"], "operator": "Exists"}]), "bob", "carol"),
        (caller(roles={"any": ["admin"]}), "carol", "alice"),
        (caller(claims=[{"path": [_URL_CLAIM], "operator": "In", "values": ["gold"]}]), "carol", "alice"),
    ],
    ids=["groups", "subjects", "clients", "claim", "claim-exists", "nested-roles", "url-like-claim"],
)
def test_callers_are_told_apart_by_their_claims(mesh, oidc, entry, allowed, denied):
    mapping = {"roles": [{"path": ["realm_access", "roles"]}], "groups": [{"path": ["groups"]}]}
    mesh.provider(oidc, claimMappings=mapping)
    mesh.policy("some", rule("some", entry))
    orders = mesh.sidecar("orders")
    orders.await_answer(200, token=oidc.token(allowed))
    orders.answers(403, token=oidc.token(denied))


def test_a_deny_wins_in_whatever_order(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("a-allow", rule("all", ANYONE))
    orders = mesh.sidecar("orders")
    orders.await_answer(200)
    mesh.policy("b-deny", rule("not-bob", caller(clients=["bob"]), action="Deny"))
    orders.await_answer(403, token=oidc.token("bob"))
    orders.answers(200, token=oidc.token("alice"))
    orders.answers(200)
    orders.answers(401, token="not.a.token")  # a token that fails is refused on public paths too


def test_an_audit_policy_changes_no_answer(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    mesh.policy("tryout", rule("nobody", ANYONE, action="Deny"), mode="Audit")
    orders = mesh.sidecar("orders")
    token = oidc.token("alice", "orders:read")
    orders.await_answer(200, token=token)
    mesh.ns.await_condition("accesspolicy", "tryout", "Programmed")
    orders.answers(200, token=token)
    _await_would_deny(mesh, "tryout", orders, 1)


def _await_would_deny(mesh, policy, sidecar, at_least):
    """Waits until the policy's status counts each request of which the sidecar's audit line says so, and says how many."""

    def counted():
        lines = sum(line["auditDecision"] == "deny" for line in sidecar.decisions())
        status = mesh.ns.get("accesspolicy", policy).get("status", {}).get("audit", {}).get("wouldDeny", 0)
        return lines if status == lines >= at_least else None

    return await_until(f"{policy} would have refused {at_least} requests or more", counted)


@pytest.fixture
def open_mesh(mesh):
    """A mesh whose workloads let everybody pass that no policy selects."""
    mesh.operator.stop()
    mesh.operator.start("--default-action=Allow")
    yield mesh
    mesh.operator.restart()


def test_an_audit_policy_of_an_open_workload_counts_whom_it_would_not_know(open_mesh, oidc):
    mesh = open_mesh
    mesh.provider(oidc)
    mesh.policy("tryout", rule("read", READ), mode="Audit", workloads=["orders"])
    mesh.policy("elsewhere", rule("read", READ), mode="Audit", workloads=["billing"])
    mesh.ready("identityprovider", "idp")
    orders = mesh.sidecar("orders")
    orders.await_answer(200)  # nobody says who calls: no rule of the policy matches
    orders.answers(200, token=oidc.token("bob"))
    orders.answers(200, token=oidc.token("alice", "orders:read"))
    before = _await_would_deny(mesh, "tryout", orders, 2)

    mesh.operator.stop()
    mesh.operator.start("--default-action=Allow")
    orders.answers(200)
    assert _await_would_deny(mesh, "tryout", orders, before + 1) == before + 1
    assert mesh.ns.get("accesspolicy", "elsewhere")["status"]["audit"] == {"wouldDeny": 0, "wouldAllow": 0}


def test_a_root_policy_denies_in_every_namespace(cluster, mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("all", rule("all", caller()))
    orders = mesh.sidecar("orders")
    alice, bob = oidc.token("alice"), oidc.token("bob")
    orders.await_answer(200, token=bob)
    root = cluster.namespace("mesh-auth-system")
    revoked = access_policy("revoke-bob", rules=[
        rule("bob", caller("idp", mesh.ns.name, clients=["bob"]), action="Deny"),
    ])
    root.accepts(revoked)
    try:
        orders.await_answer(403, token=bob)
    finally:
        root.delete("accesspolicy", "revoke-bob")
    orders.await_answer(200, token=bob)
    orders.answers(200, token=alice)


def test_each_workload_has_a_bundle_of_its_own(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("open", rule("all", ANYONE), workloads=["shop"])
    mesh.policy("readers", rule("read", READ), workloads=["orders"])
    shop, orders = mesh.sidecar("shop"), mesh.sidecar("orders")
    shop.await_answer(200)
    orders.await_answer(401)
    assert shop.revision() != orders.revision()


def test_forwarded_claims_replace_what_the_client_sent(mesh, oidc):
    mesh.provider(oidc, forward={"claims": [{"path": ["email"], "header": "X-User-Email"}], "token": "Remove"})
    mesh.policy("all", rule("all", caller()), rule("public", ANYONE, to=[{"paths": ["/public"]}]))
    orders = mesh.sidecar("orders")
    token = oidc.token("alice")
    orders.await_answer(200, token=token)
    mesh.ns.await_condition("accesspolicy", "all", "Programmed")  # auth.conf costs a reload; until then no identity is sent
    forged = {"X-User-Email": "root@example.com", "x-user_email": "root@example.com"}

    def emails(answer):
        return [value for name, value in answer.json()["headers"] if name.replace("_", "-") == "x-user-email"]

    seen = orders.answers(200, token=token, headers=forged)
    assert emails(seen) == ["alice@example.com"]
    assert not [name for name, _ in seen.json()["headers"] if name == "authorization"]
    assert emails(orders.answers(200, "/public", headers=forged)) == []


def test_two_sidecars_of_a_workload_are_both_counted(mesh, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    first, second = mesh.sidecar("orders"), mesh.sidecar("orders")
    for sidecar in (first, second):
        sidecar.await_answer(401)
    mesh.ns.await_condition("accesspolicy", "readers", "Programmed")
    assert mesh.ns.get("accesspolicy", "readers")["status"]["sidecarSummary"] == "2/2"

    second.stop()
    mesh.policy("readers", rule("write", caller(scopes={"all": ["orders:write"]})))
    mesh.ns.await_condition("accesspolicy", "readers", "Programmed", "False", says="1")
    assert mesh.ns.get("accesspolicy", "readers")["status"]["sidecarSummary"] == "1/2"

    second.pod.delete()
    mesh.ns.await_condition("accesspolicy", "readers", "Programmed")
    assert mesh.ns.get("accesspolicy", "readers")["status"]["sidecarSummary"] == "1/1"
