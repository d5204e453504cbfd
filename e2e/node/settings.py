"""The files that the node's programs read."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from harness import pki
from harness.kubectl import write_kubeconfig, write_private
from node import images

ADDRESS = "172.30.0.1"
NAME = "node1"
SERVER = f"https://{ADDRESS}:6443"
SERVICES = "10.96.0.0/16"
SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc.cluster.local"  # as kubeadm has it, so that examples fit
PODS = "10.244.0.0/16"
CONTAINERD = "/run/containerd/containerd.sock"
DNS_READY_PORT = 8181
SANDBOX = images.OWN["box"]

# Who may do what is built into RBAC for these names.
_USERS = {
    "admin": ("admin", "system:masters"),
    "node": (f"system:node:{NAME}", "system:nodes"),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
}


@dataclass(frozen=True)
class Keys:
    """Of one node's life: a restart finds them again."""

    serving: pki.Pair
    signing: pki.Pair
    authority: Path
    tokens: Path


def write_keys(folder: Path) -> Keys:
    """Certificates, and a kubeconfig and a token for each of the node's programs."""
    authority = pki.Authority(folder, "mesh-auth node")
    hosts = ("localhost", "127.0.0.1", ADDRESS, "10.96.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    keys = Keys(
        authority.issue("kube-apiserver", hosts), pki.service_account_keys(folder), authority.certificate, folder / "tokens.csv"
    )
    lines = []
    for name, (user, group) in _USERS.items():
        token = secrets.token_urlsafe(32)
        lines.append(f'{token},{user},{name},"{group}"\n')
        write_kubeconfig(folder / f"{name}.kubeconfig", SERVER, authority.certificate, token)
    write_private(keys.tokens, "".join(lines))
    return keys


def read_keys(folder: Path) -> Keys:
    """Those that write_keys wrote."""
    pair = lambda certificate, key: pki.Pair(folder / certificate, folder / key)  # noqa: E731
    return Keys(
        pair("kube-apiserver.crt", "kube-apiserver.key"), pair("sa.pub", "sa.key"), folder / "ca.crt", folder / "tokens.csv"
    )


def write(folder: Path, kubeconfig: Path, cgroup: str) -> None:
    """containerd.toml, cni/, kubelet.yaml and Corefile."""
    (folder / "cni").mkdir(parents=True, exist_ok=True)
    (folder / "containerd.toml").write_text(_containerd(folder / "cni"))
    (folder / "cni" / "10-bridge.conflist").write_text(json.dumps(_NETWORK, indent=1))
    (folder / "kubelet.yaml").write_text(json.dumps(_kubelet(folder, cgroup), indent=1))  # JSON is YAML
    (folder / "Corefile").write_text(_dns(kubeconfig))


def _containerd(networks: Path) -> str:
    return f"""version = 2
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{SANDBOX}"
  # Without CAP_SYS_RESOURCE no container would start otherwise.
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{networks}"
"""


_NETWORK = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}  # fmt: skip


def _kubelet(folder: Path, cgroup: str) -> dict:
    never = dict.fromkeys(("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        # Only who is on the node's own network can ask, to whom it is all the same.
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        # How full the machine's disk is does not matter here.
        "evictionHard": never,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "enforceNodeAllocatable": ["pods"],
        "clusterDomain": "cluster.local",
        "clusterDNS": [ADDRESS],
        "volumePluginDir": str(folder / "plugins"),
    }


def _dns(kubeconfig: Path) -> str:
    return f""".:53 {{
    errors
    ready {ADDRESS}:{DNS_READY_PORT}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        ttl 1
    }}
}}
"""
