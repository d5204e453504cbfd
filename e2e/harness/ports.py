"""Free loopback ports, from below the range that the kernel hands out for outgoing connections."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 15_000, 32_000
_handed_out: set[int] = set()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on and that this process has not handed out before."""
    for _ in range(1000):
        port = random.randint(_FIRST, _LAST)
        if port in _handed_out:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise RuntimeError(f"no free loopback port between {_FIRST} and {_LAST}")


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
