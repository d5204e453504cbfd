"""A malformed request or token at nginx: 400 or 401, the reason in the log, and no crash."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest

from harness.bad_idp import BadIdp, SigningKey
from harness.mesh import Mesh
from harness.resources import caller, rule

pytestmark = [pytest.mark.operator, pytest.mark.sidecar]


@pytest.fixture(scope="module")
def guarded(supervisor, workdir, cluster, authority, operator_process):
    """One sidecar for all cases, and the scripted provider it trusts."""
    operator_process.ensure_running()
    idp = BadIdp(authority)
    with cluster.temporary_namespace("requests") as space:
        mesh = Mesh(supervisor, workdir / "sidecars", space, operator_process)
        mesh.provider(idp, maxTokenLifetime="1h", requiredClaims=[{"path": ["tier"], "operator": "Exists"}])
        mesh.policy("all", rule("all", caller()))
        orders = mesh.sidecar("orders")
        orders.await_answer(200, token=idp.token(tier="gold"))
        yield orders, idp
        mesh.close()
    idp.close()


def _b64(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _parts(token):
    return token.split(".")


def _with_header(idp, **members):
    """A good token whose header says something else (its signature then does not hold)."""
    header, payload, signature = _parts(idp.token(tier="gold"))
    said = {**json.loads(base64.urlsafe_b64decode(header + "==")), **members}
    return ".".join([_b64({k: v for k, v in said.items() if v is not None}), payload, signature])


def _with_raw_header(idp, header):
    return ".".join([_b64(header), *_parts(idp.token(tier="gold"))[1:]])


def _now():
    return int(time.time())


def _tampered(idp):
    header, payload, signature = _parts(idp.token(tier="gold"))
    return ".".join([header, _b64({**idp.claims(), "tier": "platinum"}), signature])


def _bad_exp(idp):
    # PyJWT refuses to mint a bad `exp`, so the payload is signed as bytes.
    payload = json.dumps(idp.claims(tier="gold", exp="tomorrow")).encode()
    return jwt.api_jws.encode(payload, idp.keys[0].pem, algorithm="RS256", headers={"kid": idp.keys[0].kid})


TOKENS = {
    "token_segments": lambda idp: "one.two",
    "base64_invalid": lambda idp: "AB." + ".".join(_parts(idp.token(tier="gold"))[1:]),
    "json_invalid": lambda idp: _with_raw_header(idp, b"{not json"),
    "json_duplicate": lambda idp: _with_raw_header(idp, b'{"alg":"RS256","alg":"RS256","kid":"key-1"}'),
    "json_too_deep": lambda idp: _with_raw_header(idp, b'{"alg":"RS256","x":' + b"[" * 100 + b"]" * 100 + b"}"),
    "token_too_large": lambda idp: idp.token(tier="x" * 20_000),
    "alg_not_allowed": lambda idp: _with_header(idp, alg="none"),
    "crit_present": lambda idp: _with_header(idp, crit=["exp"]),
    "kid_unknown": lambda idp: idp.token(key=SigningKey("other"), tier="gold"),
    "typ_not_allowed": lambda idp: idp.token(tier="gold", headers={"typ": "dpop+jwt"}),
    "issuer_unknown": lambda idp: idp.token(tier="gold", iss=idp.issuer + "/"),
    "audience_mismatch": lambda idp: idp.token(tier="gold", aud="api://users"),
    "exp_missing": lambda idp: idp.token(tier="gold", exp=None),
    "expired": lambda idp: idp.token(tier="gold", iat=_now() - 600, exp=_now() - 300),
    "not_yet_valid": lambda idp: idp.token(tier="gold", nbf=_now() + 300),
    "issued_in_future": lambda idp: idp.token(tier="gold", iat=_now() + 300),
    "lifetime_too_long": lambda idp: idp.token(tier="gold", exp=_now() + 90_000),
    "numericdate_invalid": _bad_exp,
    "claim_required": lambda idp: idp.token(),
    "signature_invalid": _tampered,
}


@pytest.mark.parametrize("reason", TOKENS)
def test_a_token_that_fails_is_401_with_its_reason_in_the_log_only(guarded, reason):
    orders, idp = guarded
    answer = orders.answers(401, token=TOKENS[reason](idp))
    orders.await_reason(reason)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert reason not in answer.text and reason not in answer.headers["www-authenticate"]
    orders.answers(200, token=idp.token(tier="gold"))


def test_no_key_in_the_tokens_header_is_ever_used(guarded):
    orders, idp = guarded
    attacker = SigningKey("key-1")
    token = idp.token(key=attacker, tier="gold", headers={"jwk": attacker.jwk(), "jku": "https://evil.example/jwks"})
    orders.answers(401, token=token)
    orders.await_reason("signature_invalid")


PATHS = {
    "double-slash": "/a//b",
    "dot-dot": "/a/../b",
    "dot": "/a/./b",
    "encoded-dot-dot": "/a/%2e%2e/b",
    "semicolon": "/a;x=1/b",
    "encoded-slash": "/a%2Fb",
    "backslash": "/a\\b",
    "encoded-backslash": "/a%5Cb",
    "encoded-nul": "/a%00b",
    "encoded-hash": "/a%23b",
    "encoded-question-mark": "/a%3Fb",
    "bad-percent": "/a%zzb",
    "half-percent": "/a%2",
    "bad-utf8": "/a%ff%feb",
    "raw-hash": "/a#b",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_a_path_that_can_be_read_two_ways_is_400(guarded, path):
    orders, idp = guarded
    head = [f"GET {path} HTTP/1.1", "Host: orders", f"Authorization: Bearer {idp.token(tier='gold')}"]
    request = "\r\n".join([*head, "Connection: close", "", ""])
    assert orders.raw(request.encode()).split(b" ", 2)[1] == b"400"
    orders.answers(200, token=idp.token(tier="gold"))


def test_two_tokens_are_400(guarded):
    orders, idp = guarded
    token = idp.token(tier="gold").encode()
    line = b"Authorization: Bearer " + token + b"\r\n"
    request = b"GET / HTTP/1.1\r\nHost: orders\r\n" + line + line + b"Connection: close\r\n\r\n"
    assert orders.raw(request).split(b" ", 2)[1] == b"400"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n0\r\n\r\n",
        b"GET http://other/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000 + b"\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["binary", "no-host", "two-hosts", "smuggling", "other-authority", "huge-header", "tls-hello"],
)
def test_garbage_gets_an_error_and_the_sidecar_goes_on(guarded, request_bytes):
    orders, idp = guarded
    before = orders.nginx_pids()
    try:
        answer = orders.raw(request_bytes)
    except OSError:
        answer = b""  # reset or timed out: nginx has nothing to say to a half request
    assert b" 200 " not in answer[:20]
    orders.answers(200, token=idp.token(tier="gold"))
    assert orders.nginx_pids() == before


def test_no_request_of_all_these_ended_a_worker(guarded):
    orders, _ = guarded
    assert orders.process and orders.process.is_running()
    log = orders.process.output()
    assert "exited on signal" not in log and "AddressSanitizer" not in log and "runtime error" not in log
