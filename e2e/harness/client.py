"""A small HTTP/1.1 client that only ever speaks to this machine.

Whatever host a URL names, the connection goes to 127.0.0.1 (or to the 127.x.y.z that it names); the name is what TLS and the Host header see. That is
`curl --resolve`, and a promise: no test reaches another machine.
"""

from __future__ import annotations

import http.client
import json as jsonlib
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are in lower case; `headers` keeps the first value, `all_headers` every pair."""

    status: int
    headers: dict[str, str]
    all_headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return jsonlib.loads(self.body)


class _ToLoopback(http.client.HTTPConnection):
    tls: ssl.SSLContext | None = None
    unix_socket: Path | None = None

    def connect(self) -> None:
        if self.unix_socket:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(self.unix_socket))
            return
        literal = re.fullmatch(r"127(\.\d{1,3}){3}", self.host)
        self.sock = socket.create_connection((self.host if literal else "127.0.0.1", self.port), self.timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.host)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    json: Any = None,
    authority: Path | None = None,
    unix_socket: Path | None = None,
    timeout: float = 10.0,
) -> Answer:
    """One request on a connection of its own. `authority`: the CA file that an https URL's server must chain to."""
    parts = urlsplit(url)
    connection = _ToLoopback(parts.hostname or "localhost", parts.port or 80, timeout=timeout)
    connection.unix_socket = unix_socket
    if parts.scheme == "https":
        connection.tls = ssl.create_default_context(cafile=str(authority) if authority else None)
    sent = dict(headers or {})
    if json is not None:
        body = jsonlib.dumps(json)
        sent.setdefault("Content-Type", "application/json")
    target = url.split(parts.netloc, 1)[1] or "/"  # as written: urlsplit must not tidy a path under test
    try:
        connection.request(method, target, body=body, headers=sent)
        response = connection.getresponse()
        content = response.read(_MOST_BYTES)
        if response.length:
            raise ConnectionError(f"{method} {url}: the body was cut short, {response.length} bytes are missing")
        pairs = [(name.lower(), value) for name, value in response.getheaders()]
        return Answer(response.status, dict(reversed(pairs)), pairs, content)
    except http.client.HTTPException as error:
        raise ConnectionError(f"{method} {url}: {type(error).__name__} {error}") from error
    finally:
        connection.close()


def get(url: str, **options: Any) -> Answer:
    return request("GET", url, **options)


def post(url: str, **options: Any) -> Answer:
    return request("POST", url, **options)


def send_raw(port: int, data: bytes, timeout: float = 5.0) -> bytes:
    """Bytes to a loopback port, and all that comes back until it closes: for requests no client would send.

    Ask for `Connection: close` in the bytes; our side is not half-closed, since nginx takes that for an abort.
    """
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(data)
        received = bytearray()
        while chunk := connection.recv(65536):
            received += chunk
    return bytes(received)
