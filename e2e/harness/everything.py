"""Every object of a cluster, of all kinds that its API server lists, whatever they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.cluster import Cluster


def _get(cluster: Cluster, path: str) -> dict[str, Any]:
    answer = cluster.api("GET", path)
    assert answer.status == 200, f"{path}: {answer.status} {answer.text[:200]}"
    return answer.json()


def paths(cluster: Cluster) -> dict[str, str]:
    """By kind and group what lists it, in the version that the server prefers."""
    groups = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in _get(cluster, "/apis")["groups"])]
    found = {}
    for group in groups:
        for resource in _get(cluster, group)["resources"]:
            if "list" in resource["verbs"] and "/" not in resource["name"]:
                found[f"{resource['kind']} of {group}"] = f"{group}/{resource['name']}"
    return found


def objects(cluster: Cluster) -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind, metadata) of each."""
    for kind, path in paths(cluster).items():
        for each in _get(cluster, path)["items"]:
            yield kind.split(" of ")[0], each["metadata"]
