"""The development provider as its clients see it: tokens, rotation."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AUDIENCE = "orders"
_SECONDS = 15.0  # a rotation makes RSA keys


@dataclass(frozen=True)
class Token:
    about: str  # for a person to read
    raw: str
    claims: dict[str, str]


class Provider:
    def __init__(self, port: int, state: Path) -> None:
        self.port = port
        self.issuer = f"https://127.0.0.1:{port}"
        self.ca_file = state / "ca.pem"

    def token(self, subject: str, scope: str = "", seconds: int = 3600, kid: str = "") -> Token:
        """`kid`: what the header claims, whatever key signs."""
        claims = {"sub": subject, "aud": AUDIENCE} | ({"scope": scope} if scope else {})
        request = {"claims": claims, "expiresIn": seconds, "header": {"kid": kid} if kid else {}}
        raw = self._post("/token", json.dumps(request))["access_token"]
        return Token(f"{subject}, " + (f"scope {scope}" if scope else "no scope"), raw, claims)

    def rotate(self, drop_old: bool = False) -> None:
        self._post("/rotate?drop=old" if drop_old else "/rotate", "")

    def _post(self, target: str, body: str) -> dict[str, Any]:
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=_SECONDS, context=trust)
        try:
            connection.request("POST", target, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
            if response.status != 200:
                raise OSError(f"the provider answered POST {target} with {response.status}: {text.strip()}")
            answer: dict[str, Any] = json.loads(text) if text.strip() else {}
            return answer
        finally:
            connection.close()
