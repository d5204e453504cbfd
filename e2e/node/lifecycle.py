"""A node from nothing to one that runs pods, and back to nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from harness import client, tools
from harness.cluster import Cluster
from harness.kubectl import Kubectl
from harness.supervisor import Process, Supervisor
from harness.wait import await_until
from node import components, images, machine, settings
from node.namespaces import Namespaces
from node.place import Place

_LONGEST_SOCKET = 107  # bytes, of sockaddr_un


class NodeKubectl(Kubectl):
    """kubectl inside: the node's network is its own."""

    def __init__(self, node: Node) -> None:
        super().__init__(tools.kube("kubectl"), node.kubeconfig, home=node.folder)
        self._node = node

    def argv(self, *args: str) -> list[str]:
        return self._node.namespaces.enter(*super().argv(*args))


class Node(Place):
    """A node of ours: with controllers and a kubelet."""

    def __init__(self, supervisor: Supervisor, folder: Path) -> None:
        self.folder = folder.absolute()
        self.kubeconfig = self.folder / "pki" / "admin.kubeconfig"
        self.namespaces = Namespaces(self.folder)
        self._supervisor = supervisor
        self._processes: list[Process] = []
        self._keys: settings.Keys | None = None

    def start(self) -> None:
        """Takes away what a node before left in the folder, and returns when a pod could be Ready."""
        machine.check(self.folder)
        remove(self.folder)
        self.folder.mkdir(parents=True)
        self._keys = settings.write_keys(self.folder / "pki")
        settings.write(self.folder / "etc", self.kubeconfig, self.namespaces.cgroup)
        self._start()

    def adopt(self) -> None:
        """Takes over what another process of ours started, to restart it."""
        self._keys = settings.read_keys(self.folder / "pki")

    def restart(self) -> None:
        """What a power failure is: every process dies at once, then all start again on the same disk."""
        self._end()
        self._start()

    def stop(self) -> None:
        self._end()
        remove(self.folder)

    def import_image(self, archive: Path) -> None:
        done = self.run("ctr", "-n", "k8s.io", "images", "import", archive)
        assert done.returncode == 0, f"containerd did not take {archive}: {done.stderr}"

    def enter(self, *command: str | os.PathLike[str], folder: Path | None = None) -> list[str]:
        return self.namespaces.enter(*command, folder=folder)

    # --- steps

    def _start(self) -> None:
        assert self._keys
        self._processes.append(self.namespaces.open(self._supervisor))
        self._start_each(components.first(self.folder, self._keys))
        self._await_api()
        self._start_each(components.rest(self.folder, self._keys))
        self._import_box()
        self._await_pods_could_run()

    def _start_each(self, programs: dict[str, components.Argv]) -> None:
        for name, argv in programs.items():
            inside = self.namespaces.enter(*argv)
            environment = {"PATH": machine.SEARCH, "HOME": str(self.folder)}
            self._processes.append(self._supervisor.start(name, inside, env=environment, cwd=self.folder))

    def _await_api(self) -> None:
        socket = self.folder / "api.sock"
        if len(os.fsencode(socket)) > _LONGEST_SOCKET:
            raise machine.Unfit(f"{socket} is longer than a socket's {_LONGEST_SOCKET} bytes: choose a shorter folder")
        socket.unlink(missing_ok=True)
        kubectl = NodeKubectl(self)
        # A socket is a file, and files are on both sides: so the tests, outside, reach the API.
        argv = kubectl.argv("proxy", f"--unix-socket={socket}")
        proxy = self._supervisor.start(
            "kubectl-proxy",
            argv,
            env={"HOME": str(self.folder)},
            ready=lambda: client.get("http://localhost/readyz", unix_socket=socket).status == 200,
            within=120,
        )
        self._processes.append(proxy)
        self.cluster = Cluster(kubectl, socket, proxy, None)

    def _import_box(self) -> None:
        await_until("containerd answers", lambda: self.run("ctr", "version").returncode == 0, within=60)
        self.import_image(images.write_box(self.folder))

    def _await_pods_could_run(self) -> None:
        api = self.cluster.api

        def node_is_ready() -> bool:
            answer = api("GET", f"/api/v1/nodes/{settings.NAME}")
            conditions = answer.json()["status"].get("conditions", []) if answer.status == 200 else []
            return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

        dns = f"/api/v1/nodes/http:{settings.NAME}:{settings.DNS_READY_PORT}/proxy/ready"
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._await("the node is Ready", node_is_ready)
        self._await("the default service account exists", lambda: api("GET", account).status == 200)
        self._await("names are resolved", lambda: api("GET", dns).status == 200)

    def _await(self, what: str, probe: Any) -> None:
        def alive_and() -> Any:
            ended = [process for process in self._processes if not process.is_running()]
            if ended:
                raise RuntimeError(f"{ended[0].name} ended with {ended[0].exit_code()}\n{ended[0].tail()}")
            return probe()

        await_until(what, alive_and, within=120, every=0.1)

    def _end(self) -> None:
        self.namespaces.end()
        for process in reversed(self._processes):
            self._supervisor.stop(process)
        self._processes.clear()


def remove(folder: Path) -> None:
    """Takes a node away by what is on disk alone: after a crash of whoever started it, too."""
    Namespaces(folder.absolute()).end()
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise RuntimeError(f"{folder} could not be removed; something in it is in use")
