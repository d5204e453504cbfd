"""A pod that asks without end, and what it has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.wait import await_until
from node import pods
from node.shop import Shop

_FIRST_PORT = 7011
CLOSE = "Connection: close"  # a connection for each request


class Load:
    """In the shop's namespace, from where nobody is injected. parts: by name the URL, and headers as `NAME: VALUE`.
    early: it begins before there is anybody, and what is asked of an address that the node does not know yet is lost."""

    def __init__(self, shop: Shop, name: str, parts: Mapping[str, Sequence[str]], early: bool = False) -> None:
        self._shop = shop
        self._name = name
        self._verb = "hurry" if early else "load"
        self._parts = {part: (_FIRST_PORT + number, words) for number, (part, words) in enumerate(parts.items())}

    def begin(self) -> None:
        """Returns when each part has asked, whether anybody answered or not."""
        containers = [
            pods.container(part, self._shop.box, [self._verb, f"0.0.0.0:{port}", *words]) for part, (port, words) in self._parts.items()
        ]
        self._shop.ns.apply(pods.pod(self._name, containers))
        self._shop.await_ready(f"pod/{self._name}")
        for part in self._parts:
            await_until(f"{part} has asked", lambda: self.counted(part)["requests"], within=30)

    def end(self) -> None:
        self._shop.ns.delete("pod", self._name)

    def counted(self, part: str) -> dict[str, Any]:
        """As the shop's."""
        path = f"/api/v1/namespaces/{self._shop.ns.name}/pods/http:{self._name}:{self._parts[part][0]}/proxy/"
        answer = self._shop.node.cluster.api("GET", path)
        assert answer.status == 200, f"{path}: {answer.status} {answer.text[:200]}"
        return answer.json()

    def statuses(self) -> dict[str, set[int]]:
        """Which came at all, by part."""
        return {part: {int(status) for status in self.counted(part)["statuses"]} for part in self._parts}
