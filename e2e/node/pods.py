"""Manifests of the tests' own pods, as locked down as the pod security level `restricted` wants them."""

from __future__ import annotations

from typing import Any

LOCKED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
_NOBODY = {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}}


def container(name: str, image: str, args: list[str]) -> dict[str, Any]:
    return {"name": name, "image": image, "args": args, "securityContext": LOCKED}


def pod(name: str, containers: list[dict[str, Any]], volumes: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    spec = {
        "automountServiceAccountToken": False,
        "securityContext": _NOBODY,
        "terminationGracePeriodSeconds": 1,
        "containers": containers,
        "volumes": volumes or [],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def service(name: str, port: int) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
