"""Tokens of the spoofs: true ones, and forgeries of every kind that once was taken for true."""

import json
import time

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from resources import AUDIENCE, ISSUER, Key, b64

SESSION_ISSUER, APP_ISSUER = "https://session.test", "https://app.test"
OKTA, SESSION, APP = Key("k1"), Key("s1"), Key("a1")


def claims(**changed):
    now = int(time.time())
    everything = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 3600, **changed}
    return {k: v for k, v in everything.items() if v is not None}


def signed(head, payload, key=OKTA):
    """Exactly this head and payload (bytes), signed."""
    text = f"{b64(head)}.{b64(payload)}".encode()
    return f"{text.decode()}.{b64(key.sign(text))}"


def with_head(**changed):
    head = {"alg": "ES256", "kid": "k1", "typ": "JWT", **changed}
    return signed(json.dumps({k: v for k, v in head.items() if v is not None}).encode(), json.dumps(claims()).encode())


def with_claims(**changed):
    return signed(json.dumps({"alg": "ES256", "kid": "k1"}).encode(), json.dumps(claims(**changed)).encode())


def with_payload(payload, **head):
    return signed(json.dumps({"alg": "ES256", "kid": "k1", **head}).encode(), payload)


def unsigned(alg):
    head = {} if alg is None else {"alg": alg}
    return f"{b64(json.dumps({**head, 'kid': 'k1'}).encode())}.{b64(json.dumps(claims()).encode())}."


def by_public_key():
    """HMAC with the key that everybody may know."""
    pem = OKTA.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = f"{b64(json.dumps({'alg': 'HS256', 'kid': 'k1'}).encode())}.{b64(json.dumps(claims()).encode())}"
    mac = hmac.HMAC(pem, hashes.SHA256())
    mac.update(text.encode())
    return f"{text}.{b64(mac.finalize())}"


def by_another_key(**head):
    return signed(json.dumps({"alg": "ES256", "kid": "k1", **head}).encode(), json.dumps(claims()).encode(), Key("k1"))


def resigned(signature):
    return with_claims().rpartition(".")[0] + "." + signature


def in_der():
    text = with_claims().rpartition(".")[0]
    return f"{text}.{b64(OKTA.private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))}"


def payload_changed():
    head, _, signature = with_claims().split(".")
    return f"{head}.{b64(json.dumps(claims(sub='root')).encode())}.{signature}"


def loose_bits():
    """Another last character of the signature that decodes to the same bytes where the last bits are not looked at."""
    token = with_claims()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def other_alphabet():
    """The signature in the alphabet with + and /, made until it has one."""
    while True:
        head, payload, signature = with_claims().split(".")
        if "-" in signature or "_" in signature:
            return f"{head}.{payload}.{signature.replace('-', '+').replace('_', '/')}"


def tokens():
    now = int(time.time())
    return {
        "alice": with_claims(email="alice@x.test", groups=["staff"], scope="read"),
        "bob": with_claims(sub="bob", email=None, groups=None),
        "admin": with_claims(sub="root", email="root@x.test", groups=["staff"], scope="read admin"),
        "administrator": with_claims(scope="administrator"),
        "comma-scope": with_claims(scope="read,admin"),
        "crlf": with_claims(email="a\r\nX-Evil: 1"),
        "comma": with_claims(groups=["a,b", "c"]),
        "slash": with_claims(sub="alice/x"),
        "session": SESSION.token(iss=SESSION_ISSUER, sub="sess"),
        "session-2": SESSION.token(iss=SESSION_ISSUER, sub="sess-2"),
        "app": APP.token(iss=APP_ISSUER, sub="app-1"),
        "alg-none": unsigned("none"),
        "alg-None": unsigned("None"),
        "alg-nOnE": unsigned("nOnE"),
        "alg-empty": with_head(alg=""),
        "alg-absent": with_head(alg=None),
        "alg-hs256-public": by_public_key(),
        "alg-list": with_head(alg=["ES256"]),
        "alg-rs256": with_head(alg="RS256"),
        "alg-space": with_head(alg="ES256 "),
        "psychic": resigned(b64(bytes(64))),
        "der": in_der(),
        "no-signature": resigned(""),
        "two-segments": with_claims().rpartition(".")[0],
        "four-segments": with_claims() + ".AAAA",
        "jwe": with_claims() + ".AAAA.AAAA",
        "padded": with_claims().replace(".", "=.", 1),
        "plus-slash": other_alphabet(),
        "loose-bits": loose_bits(),
        "jwk": by_another_key(jwk=Key("k1").jwk()),
        "jku": by_another_key(jku="https://attacker.test/jwks"),
        "x5c": by_another_key(x5c=["MIIB"]),
        "crit": with_head(crit=["exp"]),
        "b64": with_head(crit=["b64"], b64=False),
        "kid-unknown": with_head(kid="k9"),
        "kid-path": with_head(kid="../../../../dev/null"),
        "kid-sql": with_head(kid="k1' UNION SELECT 'x"),
        "kid-number": with_head(kid=1),
        "typ-logout": with_head(typ="logout+jwt"),
        "duplicate-sub": with_payload(json.dumps(claims()).replace("{", '{"sub": "root", ', 1).encode()),
        "duplicate-alg": signed(b'{"alg":"none","alg":"ES256","kid":"k1"}', json.dumps(claims()).encode()),
        "not-object": with_payload(b"[1]"),
        "nested": with_payload(with_claims().encode(), cty="JWT"),
        "issuer-slash": with_claims(iss=ISSUER + "/"),
        "issuer-case": with_claims(iss=ISSUER.upper()),
        "issuer-list": with_claims(iss=[ISSUER]),
        "issuer-absent": with_claims(iss=None),
        "audience-other": with_claims(aud="api://billing"),
        "audience-prefix": with_claims(aud=AUDIENCE + "-admin"),
        "audience-absent": with_claims(aud=None),
        "expired": with_claims(exp=now - 3600),
        "exp-absent": with_claims(exp=None),
        "exp-text": with_claims(exp=str(now + 3600)),
        "exp-huge": with_payload(json.dumps(claims()).replace(str(claims()["exp"]), "1e400").encode()),
        "exp-negative": with_claims(exp=-1),
        "nbf-future": with_claims(nbf=now + 3600),
        "iat-future": with_claims(iat=now + 86400, exp=now + 90000),
        "other-key": by_another_key(),
        "payload-changed": payload_changed(),
        "deep": with_payload(json.dumps(claims()).replace("{", '{"x": ' + "[" * 500 + "]" * 500 + ", ", 1).encode()),
    }


# What the application is told of each caller.
IDENTITY = {
    "alice": {"x-user": "alice", "x-user-email": "alice@x.test", "x-user-groups": "staff"},
    "bob": {"x-user": "bob"},
    "admin": {"x-user": "root", "x-user-email": "root@x.test", "x-user-groups": "staff"},
    "crlf": {"x-user": "alice", "x-user-email": "a%0D%0AX-Evil: 1"},
    "comma": {"x-user": "alice", "x-user-groups": "a%2Cb,c"},
    "session": {"x-user": "sess"},
    "app": {"x-app-id": "app-1"},
}
