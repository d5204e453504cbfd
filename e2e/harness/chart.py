"""The Helm chart at the real API server: what it installs is what the operator under test may do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from harness import tools
from harness.cluster import Cluster
from harness.kubectl import write_private
from harness.supervisor import clean_environment

RELEASE = "mesh-auth"
NAMESPACE = "mesh-auth-system"
FOLDER = tools.REPO / "charts" / "mesh-auth"


def helm(*args: str, home: Path) -> str:
    """Its output; a failure is an AssertionError with what it said. It never looks at a cluster."""
    env = clean_environment({"HOME": str(home), "HELM_PLUGINS": str(home / "no-plugins")})
    done = subprocess.run([str(tools.helm()), *args], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, f"helm {' '.join(args)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def render(home: Path, *values: str) -> list[dict[str, Any]]:
    """The chart's objects. `values`: as for --set."""
    sets = [word for value in values for word in ("--set", value)]
    text = helm("template", RELEASE, str(FOLDER), "--namespace", NAMESPACE, *sets, home=home)
    return [document for document in yaml.safe_load_all(text) if document]


def install_rights(cluster: Cluster, home: Path, *values: str) -> str:
    """Applies all but the CRDs and what would run (no kubelet would run it); the name of its service account."""
    cluster.namespace(NAMESPACE)
    objects = [o for o in render(home, "crds.enabled=false", *values) if o["kind"] not in ("Deployment", "Namespace")]
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    accounts = [o["metadata"]["name"] for o in objects if o["kind"] == "ServiceAccount"]
    assert len(accounts) == 1, f"expected one service account in the chart, found {accounts}"
    return accounts[0]


def restricted_kubeconfig(cluster: Cluster, account: str, path: Path) -> Path:
    """A kubeconfig that can do what the chart's service account can, and no more."""
    token = cluster.kubectl("create", "token", account, "-n", NAMESPACE, "--duration=12h").strip()
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    user = config["contexts"][0]["context"]["user"]
    config["users"] = [{"name": user, "user": {"token": token}}]
    return write_private(path, yaml.safe_dump(config, sort_keys=False))
