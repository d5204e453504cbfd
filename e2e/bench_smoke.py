"""From a policy's change to its enforcement: python e2e/bench_smoke.py [EDITS] (make bench-smoke).

On the real API server, with the operator, one sidecar with two nginx workers, and a steady load. Each edit is one PATCH;
its time runs from just before the request until a client has seen the new answer on every worker (a connection of its
own to each, asked in turn without a pause). Wrong is the old answer to a request that began after the sidecar had
acknowledged the new revision. Exits with 1 if anything failed or was wrong.
"""

from __future__ import annotations

import json
import signal
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness import tools
from harness.bench import connections_to_each_worker, standing
from harness.load import Connection
from harness.mesh import Mesh
from harness.resources import ANYONE, access_policy, rule
from harness.sidecar import Sidecar
from harness.wait import await_until

EDITS = 100
WORKERS = 2
TOO_LONG = 10.0
REPORT = tools.REPO / "build" / "bench" / "smoke.json"


def policy(edge_open: bool) -> dict[str, Any]:
    paths = ["/open"] + (["/edge"] if edge_open else [])
    return access_policy("edge", workloads=["orders"], rules=[rule("open", ANYONE, to=[{"paths": paths}])])


def time_edit(mesh: Mesh, connections: list[Connection], edge_open: bool) -> float:
    """Seconds from just before the PATCH until the last worker gave the new answer."""
    wanted = 200 if edge_open else 403
    began = time.perf_counter()
    mesh.ns.edit("accesspolicy", "edge", policy(edge_open))
    waiting = list(connections)
    while waiting:
        waiting = [connection for connection in waiting if connection.get("/edge") != wanted]
        assert time.perf_counter() - began < TOO_LONG, "the change was not enforced within 10 s"
    return time.perf_counter() - began


def acknowledged(sidecar: Sidecar) -> list[float]:
    """By when the agent had said that every worker runs a new revision, by its log (unix seconds), cut to milliseconds."""
    assert sidecar.process
    lines = [json.loads(line) for line in sidecar.process.output().splitlines() if '"bundle in force"' in line]
    return [datetime.fromisoformat(line["ts"].replace("Z", "+00:00")).timestamp() + 0.001 for line in lines]


@dataclass
class Edit:
    began: float
    acknowledged: float
    edge_open: bool


def wrong_answers(edge: list[list[float]], edits: list[Edit]) -> int:
    """Old answers to requests that began after an edit was acknowledged and ended before the next one began."""
    wrong = 0
    for edit, following in zip(edits, [*edits[1:], None]):
        until = following.began if following else float("inf")
        right = 200 if edit.edge_open else 403
        wrong += sum(began > edit.acknowledged and ended < until and status != right for began, ended, status in edge)
    return wrong


def run(edits: int) -> int:
    with standing(REPORT.parent / "logs") as mesh:
        mesh.ns.accepts(policy(True))
        sidecar = mesh.sidecar("orders", f"--workers={WORKERS}")
        sidecar.await_answer(200, "/edge")
        return measure(mesh, sidecar, edits)


def measure(mesh: Mesh, sidecar: Sidecar, edits: int) -> int:
    connections = connections_to_each_worker(sidecar, WORKERS, "/open")
    argv = [sys.executable, "-m", "harness.load", str(sidecar.port), str(edits * TOO_LONG)]
    load = mesh.supervisor.start("load", argv, env={"PYTHONPATH": str(tools.REPO / "e2e")}, ready=lambda: True)
    done = []
    seconds = []
    for number in range(edits):
        edge_open = number % 2 == 1
        began, known = time.time(), len(acknowledged(sidecar))
        seconds.append(time_edit(mesh, connections, edge_open))
        await_until("the sidecar acknowledges", lambda: len(acknowledged(sidecar)) > known, 10)
        done.append(Edit(began, acknowledged(sidecar)[-1], edge_open))
    load.tell(signal.SIGTERM)
    load.exit_code()
    seen = json.loads(load.output().strip().splitlines()[-1])
    wrong = wrong_answers(seen["edge"], done)
    milliseconds = sorted(1000 * s for s in seconds)
    p50, p99 = statistics.median(milliseconds), milliseconds[min(len(milliseconds) - 1, int(len(milliseconds) * 0.99))]
    print(f"change to enforced on every worker, {edits} edits: p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {milliseconds[-1]:.1f} ms")
    print(f"load meanwhile: {seen['requests']} requests, {seen['failures']} failed, {wrong} wrong")
    rows = [
        {"what": "change to enforced, p50", "value": p50, "spread": [milliseconds[0], milliseconds[-1]], "unit": "ms"},
        {"what": "change to enforced, p99", "value": p99, "spread": [milliseconds[0], milliseconds[-1]], "unit": "ms", "bar": 50, "holds": p99 < 50},
        {"what": "failed requests", "value": seen["failures"], "unit": "requests", "bar": 0, "holds": not seen["failures"]},
        {"what": "wrong answers", "value": wrong, "unit": "requests", "bar": 0, "holds": not wrong},
    ]
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    for failure in seen["failed"]:
        print("failed:", failure)
    return 1 if seen["failures"] or wrong else 0


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]) if len(sys.argv) > 1 else EDITS))
