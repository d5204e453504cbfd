"""The certified provider behaves as the tests take for granted."""

from __future__ import annotations

import jwt
import pytest

from harness import oidc as oidc_provider

pytestmark = pytest.mark.plane


@pytest.fixture(scope="module")
def provider(supervisor, workdir, authority):
    return oidc_provider.start(supervisor, workdir / "oidc", authority)


def _verify(token, jwks, issuer):
    header = jwt.get_unverified_header(token)
    keys = [key for key in jwks["keys"] if key["kid"] == header["kid"]]
    assert len(keys) == 1, f"kid {header['kid']} is not among {[key['kid'] for key in jwks['keys']]}"
    key = jwt.PyJWK(keys[0])
    return jwt.decode(token, key, algorithms=[header["alg"]], audience="api://orders", issuer=issuer)


def test_discovery_names_the_issuer_and_the_keys(provider):
    document = provider.discovery()
    assert document["issuer"] == provider.issuer
    assert document["jwks_uri"] == f"{provider.issuer}/jwks"


@pytest.mark.parametrize(("caller", "alg"), [("alice", "RS256"), ("carol", "ES256"), ("dave", "EdDSA")])
def test_a_token_is_a_signed_access_token_for_the_resource(provider, caller, alg):
    token = provider.token(caller, "orders:read")
    assert jwt.get_unverified_header(token)["alg"] == alg
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    claims = _verify(token, provider.jwks(), provider.issuer)
    assert claims["scope"] == "orders:read" and claims["client_id"] == caller
    assert claims["exp"] - claims["iat"] == 3600


def test_a_callers_own_claims_are_in_the_token(provider):
    claims = _verify(provider.token("alice"), provider.jwks(), provider.issuer)
    assert claims["groups"] == ["traders", "staff"] and claims["tier"] == "gold"
    assert "scope" not in claims


def test_no_private_key_is_published(provider):
    for key in provider.jwks()["keys"]:
        assert not {"d", "p", "q", "k"} & set(key)


def test_a_rotation_keeps_the_old_key_until_it_is_retired(provider):
    old = provider.token("alice")
    provider.rotate()
    new = provider.token("alice")
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
    _verify(old, provider.jwks(), provider.issuer)
    _verify(new, provider.jwks(), provider.issuer)

    provider.retire()
    _verify(new, provider.jwks(), provider.issuer)
    with pytest.raises(AssertionError, match="is not among"):
        _verify(old, provider.jwks(), provider.issuer)


def test_an_announced_key_does_not_sign_yet(provider):
    before = provider.jwks()["keys"]
    provider.announce()
    assert len(provider.jwks()["keys"]) == len(before) + 3
    assert jwt.get_unverified_header(provider.token("alice"))["kid"] in {key["kid"] for key in before}


def test_down_refuses_connections_and_up_serves_the_same_keys(provider):
    before = provider.jwks()
    provider.down()
    with pytest.raises(ConnectionRefusedError):
        provider.jwks()
    provider.up()
    assert provider.jwks() == before


def test_requests_are_counted(provider):
    before = provider.requests("/jwks")
    provider.jwks()
    assert provider.requests("/jwks") == before + 1
