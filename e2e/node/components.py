"""The command lines of the node's programs, in the order of their start."""

from __future__ import annotations

import os
from pathlib import Path

from harness import tools
from node.settings import ADDRESS, NAME, PODS, SERVICE_ACCOUNT_ISSUER, SERVICES, Keys

Argv = list[str | os.PathLike[str]]


def first(folder: Path, keys: Keys) -> dict[str, Argv]:
    """What the others need: containers, the store, the API."""
    return {
        "containerd": ["containerd", "--config", folder / "etc/containerd.toml"],
        "etcd": [
            tools.kube("etcd"),
            f"--data-dir={folder / 'etcd'}",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
        "kube-apiserver": [
            tools.kube("kube-apiserver"),
            "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={ADDRESS}",
            "--bind-address=0.0.0.0",
            "--secure-port=6443",
            f"--cert-dir={folder / 'pki'}",
            f"--tls-cert-file={keys.serving.certificate}",
            f"--tls-private-key-file={keys.serving.key}",
            f"--service-account-issuer={SERVICE_ACCOUNT_ISSUER}",
            f"--service-account-key-file={keys.signing.certificate}",
            f"--service-account-signing-key-file={keys.signing.key}",
            # Only its own audience: a token minted for `mesh-auth` must not open the API.
            f"--api-audiences={SERVICE_ACCOUNT_ISSUER}",
            f"--token-auth-file={keys.tokens}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--service-cluster-ip-range={SERVICES}",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
            "--profiling=false",
        ],
    }


def rest(folder: Path, keys: Keys) -> dict[str, Argv]:
    """What needs an API server that is ready."""
    configs = {name: folder / "pki" / f"{name}.kubeconfig" for name in ("admin", "node", "scheduler", "proxy")}
    return {
        "kube-controller-manager": [
            tools.kube("kube-controller-manager"),
            f"--kubeconfig={configs['admin']}",
            f"--service-account-private-key-file={keys.signing.key}",
            f"--root-ca-file={keys.authority}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ],
        "kube-scheduler": [
            tools.kube("kube-scheduler"),
            *(f"--{what}kubeconfig={configs['scheduler']}" for what in ("", "authentication-", "authorization-")),
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ],
        "kubelet": [
            tools.kube("kubelet"),
            f"--config={folder / 'etc/kubelet.yaml'}",
            f"--kubeconfig={configs['node']}",
            f"--hostname-override={NAME}",
            f"--node-ip={ADDRESS}",
        ],
        "kube-proxy": [
            tools.kube("kube-proxy"),
            f"--kubeconfig={configs['proxy']}",
            f"--hostname-override={NAME}",
            "--proxy-mode=iptables",
            f"--cluster-cidr={PODS}",
            # What it would set for the whole machine.
            "--conntrack-max-per-core=0",
            "--conntrack-min=0",
            "--conntrack-tcp-timeout-established=0s",
            "--conntrack-tcp-timeout-close-wait=0s",
        ],
        "coredns": [tools.coredns(), "-conf", folder / "etc/Corefile"],
    }
