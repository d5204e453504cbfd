"""A scripted identity provider over TLS, for what a certified one would never do.

It starts out well-behaved (discovery, JWKS, an ETag). `on(path, behaviour)` changes one path until `behave()`. It
mints tokens too, with any claim and header, so that a test can say exactly what is wrong with one.
"""

from __future__ import annotations

import collections
import json
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness.pki import Authority
from harness.ports import free_port

Behaviour = Callable[["Handler"], None]

DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/jwks"


class SigningKey:
    """An RSA key as a provider holds it."""

    def __init__(self, kid: str | None, bits: int = 2048) -> None:
        self.kid = kid
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)

    def jwk(self, **members: Any) -> dict[str, Any]:
        """Public; further members are added, None removes one."""
        made = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key()))
        made = {"kty": made["kty"], "n": made["n"], "e": made["e"], "kid": self.kid, "use": "sig", "alg": "RS256"}
        made.update(members)
        return {name: value for name, value in made.items() if value is not None}

    def private_jwk(self) -> dict[str, Any]:
        return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private)), "kid": self.kid}

    @property
    def pem(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        self.request.settimeout(30)
        self.request.do_handshake()
        super().setup()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        idp = self.server.idp
        with idp.lock:
            idp.counts[path] += 1
            idp.asked[path] = time.monotonic()
            behaviour = idp.behaviours.get(path)
        (behaviour or idp.good)(self)

    def reply(
        self, status: int, body: str | dict = "", content_type: str = "application/json", **headers: str
    ) -> None:
        """Underscores in header names stand for hyphens."""
        data = (json.dumps(body) if isinstance(body, dict) else body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    idp: BadIdp

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up on a huge or slow body is the point of it


class BadIdp:
    def __init__(self, authority: Authority) -> None:
        port = free_port()
        serving = authority.issue(f"bad-idp-{port}")
        self.issuer = f"https://localhost:{port}"
        self.authority = authority
        self.keys = [SigningKey("key-1")]
        self.lock = threading.Lock()
        self.counts: collections.Counter[str] = collections.Counter()
        self.asked: dict[str, float] = {}
        self.behaviours: dict[str, Behaviour] = {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(serving.certificate, serving.key)
        self._server = _Server(("127.0.0.1", port), Handler)
        self._server.idp = self
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # --- what it says

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "jwks_uri": self.issuer + JWKS,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.jwk() for key in self.keys]}

    def good(self, handler: Handler) -> None:
        path = handler.path.partition("?")[0]
        if path == DISCOVERY:
            handler.reply(200, self.discovery())
        elif path == JWKS:
            handler.reply(200, self.jwks())
        else:
            handler.reply(404, {"error": "not found"})

    # --- the test's hand on it

    def on(self, path: str, behaviour: Behaviour) -> None:
        with self.lock:
            self.behaviours[path] = behaviour

    def rotate_without_notice(self, key: SigningKey | None = None) -> None:
        """A new key signs and is the only one published."""
        self.keys = [key or SigningKey(f"key-{time.time_ns()}")]

    def behave(self) -> None:
        with self.lock:
            self.behaviours.clear()

    def requests(self, path: str = JWKS) -> int:
        with self.lock:
            return self.counts[path]

    def seconds_since(self, path: str = JWKS) -> float:
        """Since the last request, of which there was one."""
        with self.lock:
            return time.monotonic() - self.asked[path]

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Claims of a good token; further ones are added, None removes one."""
        now = int(time.time())
        made = {"iss": self.issuer, "sub": "u1", "aud": "api://orders", "iat": now, "exp": now + 600, **claims}
        return {name: value for name, value in made.items() if value is not None}

    def token(self, *, key: SigningKey | None = None, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        key = key or self.keys[0]
        sent = {"kid": key.kid, **(headers or {})}
        sent = {name: value for name, value in sent.items() if value is not None}
        return jwt.encode(self.claims(**claims), key.pem, algorithm="RS256", headers=sent)


# --- behaviours


def says(body: str | dict, content_type: str = "application/json", status: int = 200) -> Behaviour:
    return lambda handler: handler.reply(status, body, content_type)


def html(handler: Handler) -> None:
    handler.reply(200, "<!doctype html><title>Please sign in</title>", "text/html")


def fails(status: int = 500) -> Behaviour:
    return lambda handler: handler.reply(status, {"error": "on purpose"})


def endless(mebibytes: int = 100) -> Behaviour:
    """A body far beyond any bound, announced honestly."""

    def behaviour(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(mebibytes << 20))
        handler.end_headers()
        for _ in range(mebibytes):
            handler.wfile.write(b" " * (1 << 20))

    return behaviour


def endless_chunks(mebibytes: int = 100) -> Behaviour:
    """The same without a Content-Length to be warned by."""

    def behaviour(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(mebibytes):
            handler.wfile.write(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    return behaviour


def drips(seconds_a_byte: float = 0.5, seconds: float = 60.0) -> Behaviour:
    """One byte now and then, so that no idle timer ever fires."""

    def behaviour(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(seconds_a_byte)

    return behaviour


def redirects(location: str) -> Behaviour:
    return lambda handler: handler.reply(302, Location=location)


def cut_short(handler: Handler) -> None:
    """Closes in the middle of what it announced."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"keys": [')
    handler.close_connection = True


def tagged(body: Callable[[], dict], tag: str = '"v1"') -> Behaviour:
    """Answers 304 to whoever already holds this version."""

    def behaviour(handler: Handler) -> None:
        if handler.headers.get("If-None-Match") == tag:
            handler.send_response(304)
            handler.send_header("ETag", tag)
            handler.end_headers()
        else:
            handler.reply(200, body(), ETag=tag)

    return behaviour


def deep(levels: int = 5000) -> Behaviour:
    return says('{"keys": ' + "[" * levels + "]" * levels + "}")
