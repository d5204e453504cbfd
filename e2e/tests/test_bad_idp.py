"""The scripted provider does what it is told, so that other tests may blame the operator."""

from __future__ import annotations

import json
import socket
import ssl

import jwt
import pytest

from harness import bad_idp, client
from harness.bad_idp import DISCOVERY, JWKS, BadIdp

pytestmark = pytest.mark.plane


@pytest.fixture
def idp(authority):
    provider = BadIdp(authority)
    yield provider
    provider.close()


def _get(idp, path, **options):
    return client.get(idp.issuer + path, authority=idp.authority.certificate, **options)


def test_it_starts_out_well_behaved(idp):
    assert _get(idp, DISCOVERY).json()["issuer"] == idp.issuer
    key = jwt.PyJWK(_get(idp, JWKS).json()["keys"][0])
    claims = jwt.decode(idp.token(scope="a b"), key, algorithms=["RS256"], audience="api://orders", issuer=idp.issuer)
    assert claims["scope"] == "a b"
    assert idp.requests(DISCOVERY) == 1 and idp.requests(JWKS) == 1


def test_it_misbehaves_on_one_path_until_told_to_behave(idp):
    idp.on(JWKS, bad_idp.fails(500))
    assert (_get(idp, JWKS).status, _get(idp, DISCOVERY).status) == (500, 200)
    idp.on(JWKS, bad_idp.html)
    assert _get(idp, JWKS).headers["content-type"] == "text/html"
    idp.on(JWKS, bad_idp.redirects("https://elsewhere.example/jwks"))
    assert _get(idp, JWKS).headers["location"] == "https://elsewhere.example/jwks"
    idp.behave()
    assert _get(idp, JWKS).status == 200


def test_it_answers_304_to_whoever_has_the_version(idp):
    idp.on(JWKS, bad_idp.tagged(idp.jwks))
    first = _get(idp, JWKS)
    again = _get(idp, JWKS, headers={"If-None-Match": first.headers["etag"]})
    assert (first.status, again.status, again.body) == (200, 304, b"")


@pytest.mark.parametrize("behaviour", [bad_idp.endless(2), bad_idp.endless_chunks(2)], ids=["announced", "chunked"])
def test_it_sends_as_much_as_it_was_told(idp, behaviour):
    idp.on(JWKS, behaviour)
    assert len(_get(idp, JWKS).body) == 2 << 20


def test_it_drips(idp):
    idp.on(JWKS, bad_idp.drips(seconds_a_byte=0.01, seconds=5))
    host, port = idp.issuer.removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=str(idp.authority.certificate))
    with socket.create_connection(("127.0.0.1", int(port)), 5) as plain, context.wrap_socket(
        plain, server_hostname=host
    ) as connection:
        connection.sendall(b"GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while not received.endswith(b"\r\n\r\n   "):
            received += connection.recv(1)


def test_it_hangs_up_half_way(idp):
    idp.on(JWKS, bad_idp.cut_short)
    with pytest.raises(ConnectionError, match="cut short"):
        _get(idp, JWKS)


def test_a_key_can_leak_its_private_half(idp):
    idp.on(JWKS, bad_idp.says({"keys": [idp.keys[0].private_jwk()]}))
    assert "d" in json.loads(_get(idp, JWKS).body)["keys"][0]
