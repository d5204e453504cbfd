"""A provider that misbehaves is named in a condition, and the last good keys go on."""

from __future__ import annotations

import pytest

from harness import bad_idp as behaviours
from harness.bad_idp import DISCOVERY, JWKS, SigningKey
from harness.resources import caller, rule
from harness.wait import await_until

pytestmark = pytest.mark.operator

_ELSEWHERE = "https://elsewhere.example"


def _leaks_private_key(idp):
    return behaviours.says({"keys": [idp.keys[0].private_jwk()]})


def _symmetric(idp):
    shared_secret = {"kty": "oct", "kid": "s", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"}
    return behaviours.says({"keys": [idp.keys[0].jwk(), shared_secret]})


def _other_issuer(idp):
    return behaviours.says({**idp.discovery(), "issuer": _ELSEWHERE})


def _slash_issuer(idp):
    return behaviours.says({**idp.discovery(), "issuer": idp.issuer + "/"})


def _metadata_address(idp):
    return behaviours.says({**idp.discovery(), "jwks_uri": "https://169.254.169.254/keys"})


# (id, path, behaviour, condition that speaks of it, what its message names)
CASES = [
    ("html", JWKS, lambda idp: behaviours.html, "KeysFresh", "JSON"),
    ("500", JWKS, lambda idp: behaviours.fails(500), "KeysFresh", "500"),
    ("huge", JWKS, lambda idp: behaviours.endless(), "KeysFresh", "bytes"),
    ("huge-chunked", JWKS, lambda idp: behaviours.endless_chunks(), "KeysFresh", "bytes"),
    ("drip", JWKS, lambda idp: behaviours.drips(), "KeysFresh", ""),
    ("cut-short", JWKS, lambda idp: behaviours.cut_short, "KeysFresh", ""),
    ("deep", JWKS, lambda idp: behaviours.deep(), "KeysFresh", ""),
    ("no-keys", JWKS, lambda idp: behaviours.says({"keys": []}), "KeysFresh", "key"),
    ("private-key", JWKS, _leaks_private_key, "KeysFresh", "secret material"),
    ("symmetric-key", JWKS, _symmetric, "KeysFresh", "secret material"),
    ("redirect", JWKS, lambda idp: behaviours.redirects(_ELSEWHERE + "/jwks"), "KeysFresh", "elsewhere.example"),
    ("other-issuer", DISCOVERY, _other_issuer, "Discovered", _ELSEWHERE),
    ("issuer-with-slash", DISCOVERY, _slash_issuer, "Discovered", "issuer"),
    ("metadata-address", DISCOVERY, _metadata_address, "KeysFresh", "169.254.169.254"),
    ("discovery-html", DISCOVERY, lambda idp: behaviours.html, "Discovered", "JSON"),
]


@pytest.mark.parametrize(("path", "behaviour", "condition", "says"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_provider_that_never_was_good_is_named(mesh, bad_idp, path, behaviour, condition, says):
    bad_idp.on(path, behaviour(bad_idp))
    mesh.provider(bad_idp)
    found = mesh.ns.await_condition("identityprovider", "idp", condition, "False", says=says, within=40)
    assert len(found["message"]) < 1024
    mesh.ns.await_condition("identityprovider", "idp", "Ready", "False")
    mesh.ns.await_condition("identityprovider", "idp", "Accepted", "True")


@pytest.mark.sidecar
@pytest.mark.parametrize(("path", "behaviour", "condition", "says"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_provider_that_turns_bad_keeps_its_last_good_keys(mesh, bad_idp, path, behaviour, condition, says):
    mesh.provider(bad_idp)
    mesh.policy("all", rule("all", caller()))
    orders = mesh.sidecar("orders")
    token = bad_idp.token()
    orders.await_answer(200, token=token)
    revision = orders.revision()

    bad_idp.on(path, behaviour(bad_idp))
    _ask_for_a_fetch(orders, bad_idp, path)
    # The last good keys are fresh, and what failed is said all the same.
    status, words = ("True", ("last fetch failed", says)) if condition == "KeysFresh" else ("False", (says,))
    mesh.ns.await_condition("identityprovider", "idp", condition, status, says=words, within=40)
    orders.answers(200, token=token)
    assert orders.revision() == revision
    assert mesh.ns.get("identityprovider", "idp")["status"]["keyCount"] == 1

    bad_idp.behave()
    mesh.ns.await_condition("identityprovider", "idp", condition, "True", reason=condition, within=90)
    mesh.ns.await_condition("identityprovider", "idp", "Ready")


def _ask_for_a_fetch(sidecar, idp, path):
    """A token with a kid that nobody knows makes the sidecar ask for the keys before their time."""
    before = idp.requests(path)
    stranger = idp.token(key=SigningKey("stranger"))

    def fetched():
        sidecar.answers(401, token=stranger)
        return idp.requests(path) > before

    await_until("the operator asks the provider again", fetched, within=30, every=0.3)


def test_unusable_keys_are_skipped_one_by_one_and_named(mesh, bad_idp):
    good = bad_idp.keys[0].jwk(alg=None)  # a missing alg is normal
    encrypts = SigningKey("encrypts").jwk(use="enc", alg="RSA-OAEP")
    short = SigningKey("short", bits=1024).jwk()
    unknown = {"kty": "FUTURE", "kid": "unknown"}
    bad_idp.on(JWKS, behaviours.says({"keys": [encrypts, short, unknown, good]}))
    mesh.provider(bad_idp)
    mesh.ns.await_condition("identityprovider", "idp", "Ready")
    status = mesh.ns.get("identityprovider", "idp")["status"]
    assert [key["kid"] for key in status["keys"]] == ["key-1"]
    assert {key["kid"] for key in status["skippedKeys"]} == {"encrypts", "short", "unknown"}
    assert all(key["reason"] for key in status["skippedKeys"])


@pytest.mark.sidecar
def test_a_kid_that_stands_twice_is_refused_and_the_others_work(mesh, bad_idp):
    twin = SigningKey("twin"), SigningKey("twin")
    bad_idp.on(JWKS, behaviours.says({"keys": [bad_idp.keys[0].jwk(), twin[0].jwk(), twin[1].jwk()]}))
    mesh.provider(bad_idp)
    mesh.policy("all", rule("all", caller()))
    orders = mesh.sidecar("orders")
    orders.await_answer(200, token=bad_idp.token())
    for key in twin:
        orders.answers(401, token=bad_idp.token(key=key))
        orders.await_reason("kid_ambiguous")


def test_a_provider_with_another_authoritys_certificate_is_refused(mesh, bad_idp, cluster):
    other = "-----BEGIN CERTIFICATE-----"
    assert cluster.plane and other in cluster.plane.authority.read_text()
    mesh.provider(bad_idp, tls={"caBundle": cluster.plane.authority.read_text()})
    mesh.ns.await_condition("identityprovider", "idp", "Discovered", "False", says="certificate", within=30)


def test_one_bad_provider_does_not_delay_another(mesh, bad_idp, oidc):
    bad_idp.on(DISCOVERY, behaviours.drips())
    mesh.provider(bad_idp, "slow")
    await_until("the slow one was asked", lambda: bad_idp.requests(DISCOVERY))
    mesh.provider(oidc, "quick")
    mesh.ns.await_condition("identityprovider", "quick", "Ready", within=5)


def test_two_resources_of_one_source_share_its_fetches(mesh, bad_idp):
    rotation = {"refreshInterval": "10m", "minRefetchInterval": "1m"}
    for name in ("one", "two", "three"):
        mesh.provider(bad_idp, name, rotation=rotation)
    for name in ("one", "two", "three"):
        mesh.ns.await_condition("identityprovider", name, "Ready")
    assert bad_idp.requests(JWKS) == 1


def test_no_private_key_of_a_provider_is_kept_anywhere(cluster, mesh, operator, bad_idp):
    secret = bad_idp.keys[0].private_jwk()["d"]
    bad_idp.on(JWKS, _leaks_private_key(bad_idp))
    mesh.provider(bad_idp)
    mesh.ns.await_condition("identityprovider", "idp", "KeysFresh", "False", within=30)
    places = [
        *(str(object) for kind in ("configmap", "event", "identityprovider") for object in cluster.list(kind)),
        operator.process.output(),
        operator.endpoint("/metrics").text,
    ]
    assert not [place for place in places if secret in place]
