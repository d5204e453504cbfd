"""A control plane of one test's own: to stop and to start, or where it installs what the shared one must not have."""

from __future__ import annotations

from pathlib import Path

from harness import client, control_plane, tools
from harness.cluster import Cluster
from harness.kubectl import Kubectl
from harness.operator import Operator
from harness.supervisor import Supervisor


class Elsewhere:
    def __init__(self, supervisor: Supervisor, folder: Path) -> None:
        self.supervisor = supervisor
        self.folder = folder
        self.plane = control_plane.start(supervisor, folder / "plane")
        kubectl = Kubectl(tools.kube("kubectl"), self.plane.kubeconfig, home=folder)
        socket = folder / "s"
        self._proxy = supervisor.start(
            "kubectl-proxy-2",
            kubectl.argv("proxy", f"--unix-socket={socket}"),
            env={"HOME": str(folder)},
            ready=lambda: client.get("http://localhost/readyz", unix_socket=socket).status == 200,
        )
        self.cluster = Cluster(kubectl, socket, self._proxy, self.plane)

    def stop_apiserver(self) -> None:
        self.supervisor.stop(self.plane.apiserver)

    def start_apiserver(self) -> None:
        control_plane.start_apiserver(self.supervisor, self.plane)

    def install_crds(self) -> None:
        self.cluster.kubectl("apply", "--server-side", "-f", str(tools.REPO / "crds"))

    def operator(self, kubeconfig: Path) -> Operator:
        """Not started."""
        home = self.folder / "operator"
        home.mkdir()
        return Operator(self.supervisor, self.cluster, home, kubeconfig)

    def close(self) -> None:
        for process in (self._proxy, self.plane.apiserver, self.plane.etcd):
            if process in self.supervisor.processes:
                self.supervisor.stop(process)
