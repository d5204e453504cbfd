"""Keys and tokens of an identity provider, and the resources of a workload that trusts it."""

import base64
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

ISSUER = "https://idp.test"
AUDIENCE = "api://orders"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A signing key of the identity provider."""

    def __init__(self, kid, alg="ES256"):
        self.kid, self.alg = kid, alg
        if alg == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        else:
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwk(self):
        def number(n, size):
            return b64(n.to_bytes(size, "big"))

        numbers = self.private.public_key().public_numbers()
        if self.alg == "ES256":
            return {"kty": "EC", "crv": "P-256", "kid": self.kid, "x": number(numbers.x, 32), "y": number(numbers.y, 32)}
        return {"kty": "RSA", "kid": self.kid, "n": number(numbers.n, 256), "e": "AQAB"}

    def sign(self, text):
        if self.alg == "ES256":
            r, s = utils.decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())

    def token(self, header=None, **claims):
        """A token that is right but for what is given; a claim that is None is left out."""
        now = int(time.time())
        everything = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 600, **claims}
        everything = {k: v for k, v in everything.items() if v is not None}
        head = {"alg": self.alg, "kid": self.kid, **(header or {})}
        text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(everything).encode())}".encode()
        return f"{text.decode()}.{b64(self.sign(text))}"


def jwks(*keys):
    return json.dumps({"keys": [key.jwk() for key in keys]})


def provider(name="okta", *keys, **spec):
    return {
        "apiVersion": "meshauth.dev/v1alpha1",
        "kind": "IdentityProvider",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"inline": jwks(*keys)}, **spec},
    }


def policy(name="orders", rules=(), **spec):
    return {
        "apiVersion": "meshauth.dev/v1alpha1",
        "kind": "AccessPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"rules": list(rules), **spec},
    }


def caller(provider_name="okta", **fields):
    return {"identityProvider": {"name": provider_name}, **fields}


READ = {
    "name": "read",
    "action": "Allow",
    "from": [caller(scopes={"all": ["orders:read"]})],
    "to": [{"methods": ["GET", "HEAD"], "paths": ["/orders/**"]}],
}
PUBLIC = {"name": "public", "action": "Allow", "from": [{"anyone": True}], "to": [{"paths": ["/public/**"]}]}
WRITE = {
    "name": "write",
    "action": "Allow",
    "from": [caller(scopes={"all": ["orders:write"]})],
    "to": [{"methods": ["POST"], "paths": ["/orders"]}],
}
