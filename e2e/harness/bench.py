"""What the benchmarks on a real API server share: everything that stands there, and a connection to each nginx worker."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import chart, cluster, procfs, tools
from harness.load import Connection
from harness.mesh import Mesh
from harness.operator import Operator
from harness.sidecar import Sidecar
from harness.supervisor import Supervisor


@contextlib.contextmanager
def standing(logs: Path) -> Iterator[Mesh]:
    """The API server, our definitions and rights, the operator, and a namespace; gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="mesh-auth-bench-"))
    shutil.rmtree(logs, ignore_errors=True)
    supervisor = Supervisor(logs)
    try:
        made = cluster.start(supervisor, folder)
        made.kubectl("apply", "--server-side", "-f", str(tools.REPO / "crds"))
        account = chart.install_rights(made, folder)
        (folder / "operator").mkdir()
        kubeconfig = chart.restricted_kubeconfig(made, account, folder / "operator.kubeconfig")
        operator = Operator(supervisor, made, folder / "operator", kubeconfig)
        operator.start()
        yield Mesh(supervisor, folder, made.namespace("bench"), operator)
    finally:
        supervisor.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


def connections_to_each_worker(sidecar: Sidecar, workers: int, path: str) -> list[Connection]:
    """New connections, each with one GET of the path, until every worker has accepted one."""
    found: dict[int, Connection] = {}
    for _ in range(500):
        connection = Connection(sidecar.port)
        connection.get(path)
        owner = procfs.owner_of_connection(sidecar.port, connection.local_port, sidecar.nginx_pids())
        if owner is None or owner in found:
            connection.socket.close()
            continue
        found[owner] = connection
        if len(found) == workers:
            return list(found.values())
    raise AssertionError(f"only {len(found)} of {workers} workers accepted a connection")


def row(what: str, value: float, spread: list[float], unit: str, bar: float) -> dict[str, Any]:
    """A figure with what it must be at most."""
    return {"what": what, "value": value, "spread": spread, "unit": unit, "bar": bar, "holds": value <= bar}


def write_rows(report: Path, rows: list[dict[str, Any]]) -> None:
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
