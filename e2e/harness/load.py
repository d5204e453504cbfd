"""A steady load on a sidecar in a process of its own, which checks each answer: python -m harness.load PORT SECONDS.

Three paths in turn: /open is always 200, /shut always 403, /edge whatever the policy says at that moment. Reads from
standard input nothing; on SIGTERM it writes one JSON object: {"requests", "failed": [text], "edge": [[began, ended,
status]...]}, times in unix seconds.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from typing import Any

_EXPECTED = {"/open": 200, "/shut": 403}
_PAUSE = 0.002  # between two requests: about 400 a second, so that the load is no test of the machine


class Connection:
    """One keep-alive connection; a GET in it costs one write and, as a rule, one read."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = b""

    @property
    def local_port(self) -> int:
        return self.socket.getsockname()[1]

    def get(self, path: str, token: str | None = None) -> int:
        """The status."""
        sent = f"Authorization: Bearer {token}\r\n" if token else ""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{sent}\r\n".encode())
        head, _, rest = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
        while len(rest) < length:
            rest += self._receive()
        self._left = rest[length:]
        return int(lines[0].split()[1])

    def _until(self, mark: bytes) -> bytes:
        data = self._left
        while mark not in data:
            data += self._receive()
        return data

    def _receive(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the sidecar closed the connection")
        return data


def main() -> None:
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    going = True

    def stop(*_: Any) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    connections = [Connection(port) for _ in range(8)]
    failed: list[str] = []
    edge: list[tuple[float, float, int]] = []
    requests = 0
    end = time.time() + seconds
    while going and time.time() < end:
        connection = connections[requests % len(connections)]
        path = ("/open", "/edge", "/shut")[requests % 3]
        began = time.time()
        try:
            status = connection.get(path)
        except OSError as error:
            failed.append(f"{path}: {error}")
            connections[requests % len(connections)] = Connection(port)
            status = 0
        if path == "/edge" and status in (200, 403):
            edge.append((began, time.time(), status))
        elif status and status != _EXPECTED.get(path):
            failed.append(f"{path}: {status}")
        requests += 1
        time.sleep(_PAUSE)
    print(json.dumps({"requests": requests, "failed": failed[:20], "failures": len(failed), "edge": edge}), flush=True)


if __name__ == "__main__":
    main()
