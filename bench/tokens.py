"""Distinct RS256 access tokens of 880 bytes, and the key in the forms that the proxies want."""

from __future__ import annotations

import base64
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "https://idp.test"
AUDIENCE = "api://orders"
SCOPE = "orders:read"
KID = "bench-2026"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def pem(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._private.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    @property
    def jwks(self) -> str:
        numbers = self._private.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID, "n": b64(numbers.n.to_bytes(256, "big")), "e": "AQAB"}
        return json.dumps({"keys": [key]})

    def token(self, number: int, now: int) -> str:
        header = {"alg": "RS256", "typ": "at+jwt", "kid": KID}
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": f"user-{number:07}", "azp": "web-client", "scope": f"openid profile {SCOPE}",
            "iat": now, "nbf": now, "exp": now + 7200, "jti": f"0b1c6a4e-4f5b-4a1e-9c1a-2f6d{number:08}",
            "groups": ["traders", "staff", "eu-west"], "email": f"user-{number:07}@example.com", "name": "Sam",
            "realm_access": {"roles": ["viewer", "editor"]},
        }
        text = ".".join(b64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        return f"{text}.{b64(self._private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def tokens(self, count: int) -> list[str]:
        now = int(time.time())
        return [self.token(number, now) for number in range(count)]
