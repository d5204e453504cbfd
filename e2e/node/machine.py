"""What this machine must allow, said before anything is started."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from harness import tools
from harness.control_plane import COMPONENTS

_NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--fork", "--mount-proc")
_PROGRAMS = {
    "containerd": "containerd", "containerd-shim-runc-v2": "containerd", "ctr": "containerd", "runc": "runc",
    "iptables": "iptables", "ip": "iproute2", "mount": "mount", "nsenter": "util-linux",
}
_PLUGINS = Path("/usr/lib/cni")
_HIDDEN = ("/var/lib", "/var/log", "/run")  # the node has its own of these
SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Unfit(RuntimeError):
    """The machine cannot run a node; the message lists all that is missing."""


def check(folder: Path) -> None:
    """Raises Unfit unless a node can run here with its data in `folder`."""
    missing = []
    if os.geteuid() != 0:
        missing.append(f"root: a node mounts, makes network interfaces and control groups; this is user {os.geteuid()}")
    elif said := _refused_namespaces():
        missing.append(f"namespaces: `unshare {' '.join(_NAMESPACES)}` failed, the container or kernel forbids it: {said}")
    for name, package in _PROGRAMS.items():
        if not shutil.which(name, path=SEARCH):
            missing.append(f"{name}: apt-get install {package}")
    for name in ("bridge", "host-local", "loopback", "portmap"):
        if not (_PLUGINS / name).exists():
            missing.append(f"{_PLUGINS / name}: apt-get install containernetworking-plugins")
    if "overlay" not in Path("/proc/filesystems").read_text():
        missing.append("the file system overlay: /proc/filesystems does not list it")
    missing += _missing_parts()
    for path in (folder, *(tools.kube(name) for name in COMPONENTS)):
        if str(path.resolve()).startswith(tuple(f"{hidden}/" for hidden in _HIDDEN)):
            missing.append(f"another place for {path}: the node has a {' and '.join(_HIDDEN)} of its own")
    if missing:
        raise Unfit("a node cannot run here, this is missing:\n" + "\n".join(f"  - {each}" for each in missing))


def _refused_namespaces() -> str:
    """Empty, or what was said."""
    done = subprocess.run(["unshare", *_NAMESPACES, "true"], capture_output=True, text=True, timeout=30)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def _missing_parts() -> list[str]:
    paths = [tools.kube(name) for name in (*COMPONENTS, "etcd")] + [tools.coredns(), tools.box()]
    return [f"{path}: run e2e/tools.sh with E2E_PARTS='kube machine'" for path in paths if not os.access(path, os.X_OK)]
