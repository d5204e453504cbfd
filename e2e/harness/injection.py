"""Pods for the webhook, made as their controllers would make them, and what came of them."""

from __future__ import annotations

from typing import Any

from harness import client
from harness.cluster import Cluster
from harness.namespace import Namespace
from harness.resources import KINDS, WORKLOAD_LABEL
from harness.wait import await_until

ENABLED = {"meshauth.dev/inject": "enabled"}
ORDERS = {WORKLOAD_LABEL: "orders"}
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/mesh-auth-injector"


def await_authority(cluster: Cluster) -> None:
    """Returns when the API server believes the operator's certificate."""

    def told() -> bool:
        hooks = cluster.api("GET", CONFIGURATION).json()["webhooks"]
        return len(hooks) == 2 and all(hook["clientConfig"].get("caBundle") for hook in hooks)

    await_until("both webhooks have the operator's authority", told, within=30)


def pod(
    name: str = "orders-1",
    labels: dict[str, str] | None = None,
    owner: tuple[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **container: Any,
) -> dict[str, Any]:
    """owner: its kind and name; further arguments are fields of its one container."""
    app = {"name": "app", "image": "localhost/app:1", "ports": [{"containerPort": 8080}], **container}
    metadata: dict[str, Any] = {"name": name, "labels": labels or {}, "annotations": annotations or {}}
    if owner:
        kind, called = owner
        metadata["ownerReferences"] = [
            {"apiVersion": "apps/v1", "kind": kind, "name": called, "uid": "0c7a8a39", "controller": True}
        ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [app]}}


def create(space: Namespace, manifest: dict[str, Any], query: str = "") -> client.Answer:
    return space.cluster.api("POST", KINDS["pod"].path(space.name) + query, manifest)


def created(space: Namespace, manifest: dict[str, Any]) -> dict[str, Any]:
    answer = create(space, manifest)
    assert answer.status == 201, f"creating {manifest['metadata']['name']}: {answer.status} {answer.text}"
    return answer.json()


def sidecars(made: dict[str, Any]) -> list[dict[str, Any]]:
    spec = made["spec"]
    return [c for c in spec.get("initContainers", []) + spec["containers"] if c["name"].startswith("mesh-auth")]
