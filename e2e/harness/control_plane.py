"""A real control plane on loopback: etcd and kube-apiserver. No kubelet, no controllers.

What controllers would do is done by the verbs: service accounts named `default`, the end of a namespace, a pod's
phase.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from harness import client, pki, tools
from harness.kubectl import write_kubeconfig, write_private
from harness.ports import free_port
from harness.supervisor import Process, Supervisor

COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet")
SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc"


@dataclass
class ControlPlane:
    """A running one. `kubeconfig` is the administrator's."""

    server: str
    authority: Path
    kubeconfig: Path
    admin_token: str
    etcd: Process
    apiserver: Process
    apiserver_argv: list[str]

    def raw(self, path: str, token: str | None = None) -> client.Answer:
        """One GET with a bearer token (the administrator's unless told otherwise)."""
        headers = {"Authorization": f"Bearer {token or self.admin_token}"}
        return client.get(self.server + path, headers=headers, authority=self.authority)


def start(supervisor: Supervisor, folder: Path) -> ControlPlane:
    """Starts both and returns when the API server says that it is ready (3 to 6 s)."""
    folder.mkdir(parents=True, exist_ok=True)
    etcd_url, etcd = _start_etcd(supervisor, folder / "etcd")
    authority = pki.Authority(folder / "pki", "mesh-auth e2e control plane")
    serving = authority.issue("kube-apiserver", ("localhost", "127.0.0.1", "kubernetes.default.svc", "10.96.0.1"))
    signing = pki.service_account_keys(folder / "pki")
    admin_token = secrets.token_urlsafe(32)
    tokens = write_private(folder / "tokens.csv", f'{admin_token},admin,admin,"system:masters"\n')
    port = free_port()
    argv = [
        str(tools.kube("kube-apiserver")),
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'pki'}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        f"--service-account-issuer={SERVICE_ACCOUNT_ISSUER}",
        f"--service-account-key-file={signing.certificate}",
        f"--service-account-signing-key-file={signing.key}",
        # Only the API server's own audience: a token minted for `mesh-auth` must not open the API.
        f"--api-audiences={SERVICE_ACCOUNT_ISSUER}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        # Nothing here reconciles these, and without them it is ready sooner.
        "--endpoint-reconciler-type=none",
        "--enable-priority-and-fairness=false",
        "--profiling=false",
    ]
    server = f"https://localhost:{port}"
    plane = ControlPlane(
        server=server,
        authority=authority.certificate,
        kubeconfig=write_kubeconfig(folder / "admin.kubeconfig", server, authority.certificate, admin_token),
        admin_token=admin_token,
        etcd=etcd,
        apiserver=etcd,
        apiserver_argv=argv,
    )
    start_apiserver(supervisor, plane)
    return plane


def start_apiserver(supervisor: Supervisor, plane: ControlPlane) -> None:
    """Also after it was stopped: on the same port, with the same keys, over the same etcd."""
    plane.apiserver = supervisor.start(
        "kube-apiserver", plane.apiserver_argv, ready=lambda: plane.raw("/readyz").status == 200, within=90
    )


def _start_etcd(supervisor: Supervisor, data: Path) -> tuple[str, Process]:
    client_url, peer_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    argv = [
        tools.kube("etcd"),
        f"--data-dir={data}",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    process = supervisor.start(
        "etcd", argv, ready=lambda: client.get(client_url + "/health").status == 200, within=30
    )
    return client_url, process
