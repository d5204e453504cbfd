"""kubectl port-forward, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from harness.supervisor import Supervisor
from harness.wait import await_until
from node.place import Place


@contextlib.contextmanager
def forwarded(place: Place, supervisor: Supervisor, namespace: str, what: str, port: int) -> Iterator[str]:
    """ADDRESS:PORT where it listens, beside kubectl."""
    kubectl = place.cluster.kubectl
    argv = kubectl.argv("port-forward", "-n", namespace, what, f":{port}")
    process = supervisor.start("port-forward", argv, env=kubectl.environment())
    try:
        told = await_until("it forwards", lambda: re.search(r"Forwarding from (127\.0\.0\.1:\d+)", process.output()), within=30)
        yield told[1]
    finally:
        supervisor.stop(process)
