"""Tokens that nobody signed, each with a kid of its own, as many as a sidecar takes: wrk with flood.lua.

All else about them is right, so that the key is what is looked for: a provider's issuer, audience and times.
"""

from __future__ import annotations

import base64
import itertools
import json
import secrets
import signal
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.sidecar import Sidecar
from harness.supervisor import Process, Supervisor
from harness.wait import await_until

CONNECTIONS = 16
_SCRIPT = Path(__file__).with_suffix(".lua")
_ENDLESS = 1 << 30


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class Seen:
    """Requests that were answered, those of them that were refused, and those that failed otherwise."""

    requests: int
    refused: int
    failed: int


class Flood:
    """Of `count` requests, or until it is stopped. pause: milliseconds between two on each connection."""

    def __init__(
        self, supervisor: Supervisor, folder: Path, sidecar: Sidecar, claims: dict[str, Any], count: int = 0, pause: int = 0
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        script = folder / "flood.txt"
        script.write_text("\n".join([*self._around(claims), *self._parts()]) + "\n")
        # Those that are under way when the last one is sent are not counted.
        wanted = count + 4 * CONNECTIONS if count else _ENDLESS
        argv = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d24h", "-s", _SCRIPT, f"http://127.0.0.1:{sidecar.port}/"]
        argv += ["--", script, str(wanted), str(secrets.randbits(31)), str(pause)]
        self._supervisor = supervisor
        self.process: Process = supervisor.start("flood", argv)

    @staticmethod
    def _around(claims: dict[str, Any]) -> tuple[str, str]:
        """The token before the kid and after it. A kid of 12 bytes at a multiple of three is 16 of base64 anywhere."""
        head = '{"alg":"RS256","typ":"at+jwt",'
        head += " " * (-len(head + '"kid":"') % 3) + '"kid":"'
        rest = (b'"}', json.dumps(claims).encode(), secrets.token_bytes(256))
        return _base64url(head.encode()), ".".join(_base64url(part) for part in rest)

    @staticmethod
    def _parts() -> list[str]:
        letters = string.ascii_lowercase[:16]
        return [_base64url("".join(three).encode()) for three in itertools.product(letters, repeat=3)]

    def finish(self, within: float) -> Seen:
        """Awaits that all are sent: then wrk's thread ends, but its main thread would wait out -d."""
        await_until("each of the requests is sent", lambda: "sent" in self.process.output(), within, every=0.1)
        self.process.tell(signal.SIGINT)
        self.process.exit_code()
        words = self.process.output().split("result ")[1].split()
        return Seen(*(int(word) for word in words[:3]))

    def stop(self) -> None:
        self._supervisor.stop(self.process)
