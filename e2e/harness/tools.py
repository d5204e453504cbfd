"""Where the programs are. e2e/tools.sh prepares them and says so in the environment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


def _from_environment(name: str) -> Path:
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set: run this through e2e/tools.sh, which prepares the tools")
    return Path(value)


def kube(name: str) -> Path:
    """A component of Kubernetes, or etcd."""
    return _from_environment("MESH_AUTH_KUBE_BIN") / name


def helm() -> Path:
    return _from_environment("MESH_AUTH_HELM")


def coredns() -> Path:
    return _from_environment("MESH_AUTH_COREDNS")


def gitops() -> Path:
    """What Flux and Argo CD make of an object's status."""
    return _from_environment("MESH_AUTH_GITOPS")


def cert_manager() -> Path:
    """Its controllers and its injector; the definitions of its kinds are in folder crds beside it."""
    return _from_environment("MESH_AUTH_CERT_MANAGER")


def box() -> Path:
    """The small programs of the node's pods."""
    return _from_environment("MESH_AUTH_BOX")


def earlier() -> Path:
    """A release before this one: `images/` and `charts/`."""
    return _from_environment("MESH_AUTH_EARLIER")


def nginx() -> Path:
    return _from_environment("MESH_AUTH_NGINX")


def node() -> Path:
    found = shutil.which("node")
    if not found:
        raise RuntimeError("there is no 'node' on PATH: run this through e2e/tools.sh")
    return Path(found)


def program(name: str) -> Path:
    """One of ours, from MESH_AUTH_BIN (default: build/bin of this tree)."""
    path = Path(os.environ.get("MESH_AUTH_BIN") or REPO / "build" / "bin") / name
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"{path} is not there: run `make build`, or set MESH_AUTH_BIN to the folder that has it")
    return path


def nginx_module() -> Path:
    """Our nginx module, from MESH_AUTH_MODULES (default: `modules` beside the programs' folder)."""
    bin_folder = Path(os.environ.get("MESH_AUTH_BIN") or REPO / "build" / "bin")
    folder = Path(os.environ.get("MESH_AUTH_MODULES") or bin_folder.parent / "modules")
    found = sorted(folder.glob("*.so"))
    if len(found) != 1:
        raise RuntimeError(f"expected one nginx module in {folder}, found {len(found)}: run `make build`")
    return found[0]
