#!/usr/bin/env python3
"""Writes kustomize/ from the chart, as helm renders it: a base, and a component for the Prometheus operator and Grafana.

    E2E_PARTS="helm python" e2e/tools.sh python charts/kustomize.py [--check]

`--check` writes nothing and fails when a file is not what it would write; an end-to-end test runs it.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "kustomize"
NAMESPACE = "mesh-auth-system"
RELEASE = "mesh-auth"
HEAD = "# Written by charts/kustomize.py from charts/mesh-auth; change it there, or with a patch of your own.\n"
KINDS = [f"monitoring.coreos.com/v1/{kind}" for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule")]
CRDS = "CustomResourceDefinition"
LEVEL = "pod-security.kubernetes.io/enforce"


def render(*args):
    """The chart's objects, without what is helm's alone."""
    helm = os.environ.get("MESH_AUTH_HELM")
    if not helm:
        sys.exit("MESH_AUTH_HELM is not set: run this through e2e/tools.sh")
    with tempfile.TemporaryDirectory() as home:
        command = [helm, "template", RELEASE, str(HERE / "mesh-auth"), "--namespace", NAMESPACE, "--no-hooks", *args]
        env = {"PATH": os.environ["PATH"], "HOME": home}
        text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=env).stdout
    return [without_helm(document) for document in yaml.safe_load_all(text) if document]


def without_helm(document):
    metadata = document["metadata"]
    for holder in (metadata, document.get("spec", {}).get("template", {}).get("metadata", {})):
        for name in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
            holder.get("labels", {}).pop(name, None)
    kept = {name: value for name, value in metadata.get("annotations", {}).items() if not name.startswith("helm.sh/")}
    metadata.pop("annotations", None)
    if kept:
        metadata["annotations"] = kept
    return document


def text_of(documents):
    return HEAD + yaml.safe_dump_all(documents, sort_keys=False, width=150)


def files():
    """{path below kustomize/: text}."""
    plain = render()
    monitored = render(*(word for kind in KINDS for word in ("--api-versions", kind)), "--set", "monitoring.dashboards.enabled=true")
    monitoring = [document for document in monitored if document not in plain]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {LEVEL: "restricted"}}}
    operator = [document for document in plain if document["kind"] != CRDS]
    if not monitoring or len(operator) == len(plain):
        sys.exit("the chart renders no CRDs or nothing for monitoring")
    base = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    component = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "resources": ["monitoring.yaml"]}
    return {
        "base/kustomization.yaml": text_of([base | {"resources": ["namespace.yaml", "crds.yaml", "operator.yaml"]}]),
        "base/namespace.yaml": text_of([namespace]),
        "base/crds.yaml": text_of([document for document in plain if document["kind"] == CRDS]),
        "base/operator.yaml": text_of(operator),
        "monitoring/kustomization.yaml": text_of([component]),
        "monitoring/monitoring.yaml": text_of(monitoring),
    }


def main():
    wanted = files()
    found = {str(path.relative_to(FOLDER)): path.read_text() for path in FOLDER.rglob("*.yaml")}
    stale = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    if "--check" in sys.argv[1:]:
        if stale:
            sys.exit(f"not current, run charts/kustomize.py (see its head): {', '.join(stale)}")
        return
    for path in stale:
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        if path in wanted:
            (FOLDER / path).write_text(wanted[path])
        else:
            (FOLDER / path).unlink()


if __name__ == "__main__":
    main()
