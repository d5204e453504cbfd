"""Keys come and go at the provider, the provider itself goes, the operator goes: answers stay right."""

from __future__ import annotations

import time

import pytest

from harness import bad_idp as idp_behaviours
from harness.bad_idp import JWKS, SigningKey
from harness.control_plane import SERVICE_ACCOUNT_ISSUER
from harness.resources import READ, caller, identity_provider, rule
from harness.wait import await_until

pytestmark = [pytest.mark.operator, pytest.mark.sidecar]


def test_old_and_new_tokens_are_right_across_a_rotation(mesh, own_oidc):
    mesh.provider(own_oidc)
    mesh.policy("readers", rule("read", READ))
    orders = mesh.sidecar("orders")
    old = own_oidc.token("alice", "orders:read")
    orders.await_answer(200, token=old)

    own_oidc.rotate()
    new = own_oidc.token("alice", "orders:read")
    orders.await_answer(200, token=new, within=8)  # an unknown kid asks for a fetch; the interval alone is 10 s
    orders.answers(200, token=old)

    own_oidc.retire()
    orders.await_answer(401, token=old, within=25)
    orders.answers(200, token=new)


def test_a_key_that_left_is_accepted_for_the_overlap_and_shown_as_retiring(mesh, own_oidc):
    mesh.provider(own_oidc, rotation={"refreshInterval": "10s", "minRefetchInterval": "1s", "overlap": "1h"})
    mesh.policy("readers", rule("read", READ))
    orders = mesh.sidecar("orders")
    old = own_oidc.token("alice", "orders:read")
    orders.await_answer(200, token=old)
    own_oidc.replace()
    orders.await_answer(200, token=own_oidc.token("alice", "orders:read"))
    orders.answers(200, token=old)

    def states():
        keys = mesh.ns.get("identityprovider", "idp")["status"].get("keys", [])
        return sorted(key["state"] for key in keys) == ["Active"] * 3 + ["Retiring"] * 3

    await_until("status shows three retiring keys", states)
    retiring = [k for k in mesh.ns.get("identityprovider", "idp")["status"]["keys"] if k["state"] == "Retiring"]
    assert all(key["retireTime"] for key in retiring)


def test_with_the_provider_down_its_tokens_are_still_accepted(mesh, own_oidc):
    mesh.provider(own_oidc)
    mesh.policy("readers", rule("read", READ))
    orders = mesh.sidecar("orders")
    token = own_oidc.token("alice", "orders:read")
    orders.await_answer(200, token=token)
    own_oidc.down()
    mesh.ns.await_condition("identityprovider", "idp", "KeysFresh", "True", says="last fetch failed", within=30)
    orders.answers(200, token=token)
    status = mesh.ns.get("identityprovider", "idp")["status"]
    assert status["keyCount"] == 3 and status["consecutiveFailures"] >= 1

    own_oidc.up()
    mesh.ns.await_condition("identityprovider", "idp", "Ready", within=60)


def test_the_operator_starts_with_the_provider_down_and_has_the_keys(mesh, operator, own_oidc):
    mesh.provider(own_oidc)
    mesh.policy("readers", rule("read", READ))
    orders = mesh.sidecar("orders")
    token = own_oidc.token("alice", "orders:read")
    orders.await_answer(200, token=token)
    own_oidc.down()
    operator.kill()
    orders.answers(200, token=token)

    operator.start()
    late = mesh.sidecar("orders")  # gets its bundle from the new operator
    late.await_answer(200, token=token)

    def counted():  # by the new operator, if the old one had no time for it
        status = mesh.ns.get("identityprovider", "idp")["status"]
        assert status["keyCount"] == 3, status
        return True

    await_until("the status counts the keys", counted, within=15)


def test_a_killed_operator_changes_no_answer_and_no_byte(mesh, operator, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    orders = mesh.sidecar("orders")
    token = oidc.token("alice", "orders:read")
    orders.await_answer(200, token=token)
    mesh.ns.await_condition("accesspolicy", "readers", "Programmed")
    before = mesh.ns.get("configmap", "mesh-auth-orders")

    operator.kill()
    orders.answers(200, token=token)
    orders.answers(401)
    operator.start()
    mesh.policy("late", rule("write", caller(scopes={"all": ["orders:write"]})))
    orders.await_answer(200, token=oidc.token("alice", "orders:write"))
    mesh.ns.delete("accesspolicy", "late")
    orders.await_answer(403, token=oidc.token("alice", "orders:write"))

    def same_files():
        after = mesh.ns.get("configmap", "mesh-auth-orders")["data"]
        return all(after[name] == before["data"][name] for name in ("auth.conf", "policy.json", "jwks.json"))

    await_until("the record holds the same files again", same_files)


def test_a_policy_edited_while_the_operator_was_away_is_enforced_when_it_is_back(mesh, operator, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    orders = mesh.sidecar("orders")
    orders.await_answer(200, token=oidc.token("alice", "orders:read"))
    operator.stop()
    mesh.policy("readers", rule("write", caller(scopes={"all": ["orders:write"]})))
    orders.answers(200, token=oidc.token("alice", "orders:read"))
    operator.start()
    orders.await_answer(403, token=oidc.token("alice", "orders:read"))


def test_an_expired_token_is_refused(mesh, own_oidc):
    mesh.provider(own_oidc, clockSkew="0s")
    mesh.policy("all", rule("all", caller()))
    orders = mesh.sidecar("orders")
    orders.await_answer(200, token=own_oidc.token("alice"))
    brief = own_oidc.token("brief")  # lives 2 s
    orders.answers(200, token=brief)
    refused = orders.await_answer(401, token=brief, within=5)  # from the cache it was accepted before
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


def test_many_unknown_kids_do_not_hammer_the_provider(mesh, bad_idp):
    mesh.provider(bad_idp, rotation={"refreshInterval": "10m", "minRefetchInterval": "2s"})
    mesh.policy("all", rule("all", caller()))
    orders = mesh.sidecar("orders")
    orders.await_answer(200, token=bad_idp.token())
    before, began = bad_idp.requests(JWKS), time.monotonic()
    stranger = SigningKey("stranger")
    for number in range(40):
        orders.answers(401, token=bad_idp.token(key=stranger, headers={"kid": f"unknown-{number}"}))
    await_until("a fetch was asked for", lambda: bad_idp.requests(JWKS) > before)
    most = 2 + (time.monotonic() - began) / 2
    assert bad_idp.requests(JWKS) - before <= most


def test_a_key_set_that_did_not_change_is_not_sent_again(mesh, bad_idp):
    bad_idp.on(JWKS, idp_behaviours.tagged(bad_idp.jwks))
    mesh.provider(bad_idp)
    mesh.policy("all", rule("all", caller()))
    orders = mesh.sidecar("orders")
    orders.await_answer(200, token=bad_idp.token())
    fetched = bad_idp.requests(JWKS)
    await_until("it was fetched again", lambda: bad_idp.requests(JWKS) > fetched, within=25)
    orders.answers(200, token=bad_idp.token())
    mesh.ns.await_condition("identityprovider", "idp", "KeysFresh")


def test_pods_show_the_clusters_own_tokens(mesh):
    mesh.ns.accepts(identity_provider("cluster", profile="kubernetes", issuer=SERVICE_ACCOUNT_ISSUER, audiences=["orders"]))
    mesh.policy("readers", rule("read", caller("cluster", subjects=[f"system:serviceaccount:{mesh.ns.name}:default"])))
    orders = mesh.sidecar("orders")
    mesh.ready("identityprovider", "cluster")
    orders.await_answer(200, token=orders.pod.token("orders"))
    orders.answers(401, token=orders.pod.token("another"))
    mesh.policy("readers", rule("read", caller("cluster", subjects=["system:serviceaccount:elsewhere:default"])))
    orders.await_answer(403, token=orders.pod.token("orders"))
