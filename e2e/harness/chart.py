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


def helm(*args: str, home: Path, kubeconfig: Path | None = None) -> str:
    """Its output; a failure is an AssertionError with what it said. Without `kubeconfig` it never looks at a cluster."""
    done = _run(*args, home=home, kubeconfig=kubeconfig)
    assert done.returncode == 0, f"helm {' '.join(args)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


# What a cluster with the Prometheus operator has.
MONITORING = tuple(f"monitoring.coreos.com/v1/{kind}" for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule"))


def render(
    home: Path, *values: str, overlay: dict[str, Any] | None = None, apis: tuple[str, ...] = (), hooks: bool = False
) -> list[dict[str, Any]]:
    """The chart's objects. `values`: as for --set; `overlay`: as in a file; `apis`: what the cluster has beside the built-in."""
    sets = [word for value in values for word in ("--set", value)]
    sets += [word for api in apis for word in ("--api-versions", api)]
    sets += [] if hooks else ["--no-hooks"]
    text = helm("template", RELEASE, str(FOLDER), "--namespace", NAMESPACE, *_file(home, overlay), *sets, home=home)
    return [document for document in yaml.safe_load_all(text) if document]


def _run(*args: str, home: Path, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = clean_environment({"HOME": str(home), "HELM_PLUGINS": str(home / "no-plugins")})
    if kubeconfig:
        env["KUBECONFIG"] = str(kubeconfig)
    return subprocess.run([str(tools.helm()), *args], capture_output=True, text=True, timeout=120, env=env)


def refuses(home: Path, overlay: dict[str, Any]) -> str:
    """Asserts that these values are refused; what helm said."""
    done = _run("template", RELEASE, str(FOLDER), *_file(home, overlay), home=home)
    assert done.returncode != 0, f"these values should have been refused: {overlay}"
    return done.stderr


def defaults() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "values.yaml").read_text())


def _file(home: Path, overlay: dict[str, Any] | None) -> list[str]:
    if overlay is None:
        return []
    path = home / "values-of-a-test.yaml"
    path.write_text(yaml.safe_dump(overlay))
    return ["--values", str(path)]


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
