"""mesh-auth-operator as a local process, with the rights of the chart's service account."""

from __future__ import annotations

import re
from pathlib import Path

from harness import chart, client, tools
from harness.cluster import Cluster
from harness.ports import free_port
from harness.supervisor import Process, Supervisor
from harness.wait import await_until


class Operator:
    def __init__(self, supervisor: Supervisor, cluster: Cluster, folder: Path, kubeconfig: Path) -> None:
        self.cluster = cluster
        self._supervisor = supervisor
        self._folder = folder
        self.fleet_port = free_port()
        self.metrics_port = free_port()
        self.metrics_host = "127.0.0.1"  # or 0.0.0.0: no endpoint of a Service may be on loopback
        self.webhook_port = free_port()
        self.kubeconfig = kubeconfig
        self.environment: dict[str, str] = {}
        self.process: Process | None = None

    @property
    def fleet_url(self) -> str:
        return f"https://localhost:{self.fleet_port}"

    @property
    def webhook_url(self) -> str:
        return f"https://localhost:{self.webhook_port}"

    def argv(self, *extra: str) -> list[str]:
        return [
            str(tools.program("mesh-auth-operator")),
            f"--kubeconfig={self.kubeconfig}",
            f"--namespace={chart.NAMESPACE}",
            f"--root-namespace={chart.NAMESPACE}",
            f"--fleet-listen=127.0.0.1:{self.fleet_port}",
            f"--metrics-listen={self.metrics_host}:{self.metrics_port}",
            f"--webhook-listen=127.0.0.1:{self.webhook_port}",
            "--sidecar-image=localhost/sidecar:1",
            f"--templates={tools.REPO / 'templates'}",
            "--provider-allow-loopback",
            *extra,
        ]

    def start(self, *extra: str) -> None:
        """Returns when /readyz says so."""
        self.process = self._supervisor.start(
            "operator",
            self.argv(*extra),
            env=self.environment,
            cwd=self._folder,
            ready=lambda: self.endpoint("/readyz").status == 200,
        )

    def ensure_running(self) -> None:
        """A test before may have stopped or killed it."""
        if not self.process or not self.process.is_running():
            self.restart()

    def stop(self) -> None:
        if self.process:
            self._supervisor.stop(self.process)
            self.process = None

    def kill(self) -> None:
        """SIGKILL: nothing is handed over, nothing is flushed."""
        if self.process:
            self.process.kill()
            self.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def endpoint(self, path: str) -> client.Answer:
        return client.get(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=5)

    def metric(self, name: str, **labels: str) -> float:
        """The sum over the series of that name which carry these labels; a name that is not there is an error."""
        series = [line for line in self.endpoint("/metrics").text.splitlines() if re.match(rf"{name}[ {{]", line)]
        assert series, f"/metrics has no {name}"
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(line.rsplit(" ", 1)[1]) for line in series if all(part in line for part in wanted))

    def await_metric(self, name: str, at_least: float, within: float = 15.0, **labels: str) -> None:
        await_until(f"{name}{labels} is at least {at_least}", lambda: self.metric(name, **labels) >= at_least, within)
