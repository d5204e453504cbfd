"""The OpenID-certified provider (e2e/oidc/provider.mjs) and what a test does with it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from harness import client, tools
from harness.pki import Authority
from harness.ports import free_port, is_listening
from harness.supervisor import Supervisor

SCOPES = ["orders:read", "orders:write", "orders:admin"]
RESOURCES = ["api://orders", "api://users"]


@dataclass(frozen=True)
class Caller:
    """A client of the provider: its claims are in each token, `ttl` is seconds of life."""

    name: str
    claims: dict[str, Any] = field(default_factory=dict)
    alg: str = "RS256"
    ttl: int = 3600

    @property
    def secret(self) -> str:
        return f"secret-of-{self.name}-not-a-real-one"


CALLERS = [
    Caller("alice", {"groups": ["traders", "staff"], "tier": "gold", "tenant": "t1", "email": "alice@example.com"}),
    Caller("bob", {"groups": ["staff"], "tier": "silver", "tenant": "t2"}),
    Caller("carol", {"realm_access": {"roles": ["admin"]}, "https://example.com/tier": "gold"}, alg="ES256"),
    Caller("dave", {"groups": []}, alg="EdDSA"),
    Caller("brief", ttl=2),
]


class OidcProvider:
    def __init__(self, port: int, control_port: int, authority: Authority) -> None:
        self.issuer = f"https://localhost:{port}"
        self.authority = authority
        self._control = f"http://127.0.0.1:{control_port}"
        self._callers = {caller.name: caller for caller in CALLERS}

    def token(self, caller: str, scope: str = "", resource: str = RESOURCES[0]) -> str:
        """A JWT access token by client_credentials."""
        name = self._callers[caller]
        basic = base64.b64encode(f"{name.name}:{name.secret}".encode()).decode()
        form = {"grant_type": "client_credentials", "resource": resource} | ({"scope": scope} if scope else {})
        answer = client.post(
            f"{self.issuer}/token",
            headers={"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form),
            authority=self.authority.certificate,
        )
        assert answer.status == 200, f"the provider refused {caller} a token: {answer.status} {answer.text}"
        return answer.json()["access_token"]

    def discovery(self) -> dict[str, Any]:
        return self._get("/.well-known/openid-configuration")

    def jwks(self) -> dict[str, Any]:
        return self._get("/jwks")

    def _get(self, path: str) -> dict[str, Any]:
        answer = client.get(self.issuer + path, authority=self.authority.certificate)
        assert answer.status == 200, f"{self.issuer}{path}: {answer.status} {answer.text}"
        return answer.json()

    def rotate(self) -> None:
        """A new key set signs; the one before stays published."""
        self._command("rotate")

    def announce(self) -> None:
        """A new key set is published but does not sign yet."""
        self._command("announce")

    def retire(self) -> None:
        """Only the key set that signs stays published."""
        self._command("retire")

    def replace(self) -> None:
        """A new key set signs and is the only one published: a key was lost."""
        self._command("replace")

    def down(self) -> None:
        self._command("down")

    def up(self) -> None:
        self._command("up")

    def requests(self, path: str = "/jwks") -> int:
        """How often a path was asked for."""
        return self._command("state", "GET")["counts"].get(path, 0)

    def _command(self, name: str, method: str = "POST") -> dict[str, Any]:
        answer = client.request(method, f"{self._control}/{name}")
        assert answer.status == 200, f"the provider's control said {answer.status} to {name}: {answer.text}"
        return answer.json()


def start(supervisor: Supervisor, folder: Path, authority: Authority) -> OidcProvider:
    folder.mkdir(parents=True, exist_ok=True)
    port, control_port = free_port(), free_port()
    serving = authority.issue(f"oidc-{port}")
    provider = OidcProvider(port, control_port, authority)
    config = folder / f"oidc-{port}.json"
    clients = [
        {"client_id": who.name, "client_secret": who.secret, "claims": who.claims, "alg": who.alg, "ttl": who.ttl}
        for who in CALLERS
    ]
    config.write_text(
        json.dumps(
            {
                "issuer": provider.issuer,
                "port": port,
                "controlPort": control_port,
                "cert": str(serving.certificate),
                "key": str(serving.key),
                "scopes": SCOPES,
                "resources": RESOURCES,
                "clients": clients,
            }
        )
    )
    script = tools.REPO / "e2e" / "oidc" / "provider.mjs"
    supervisor.start(f"oidc-{port}", [tools.node(), script, config], ready=lambda: is_listening(control_port))
    return provider
