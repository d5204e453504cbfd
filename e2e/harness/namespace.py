"""Verbs inside one namespace. A test reads: ns.accepts(policy); ns.await_condition("accesspolicy", ...)."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.kubectl import as_yaml
from harness.resources import KINDS, WORKLOAD_LABEL
from harness.wait import await_until

if TYPE_CHECKING:
    from harness.cluster import Cluster

_REMOVED_WITH_IT = ("accesspolicy", "identityprovider", "pod", "service", "configmap", "secret", "lease", "event")


class Namespace:
    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    # --- resources

    def apply(self, manifest: str | dict | list[dict]) -> str:
        """`kubectl apply`, as a person would; a refusal is an AssertionError with kubectl's words."""
        return self.cluster.kubectl("apply", "-n", self.name, "-f", "-", stdin=as_yaml(manifest))

    accepts = apply

    def rejects(self, manifest: str | dict, *said: str) -> str:
        """Asserts that `kubectl apply` refuses and that its message holds each of `said`; returns the message."""
        outcome = self.cluster.kubectl.run("apply", "-n", self.name, "-f", "-", stdin=as_yaml(manifest))
        assert outcome.code != 0, f"should have been refused, but: {outcome.out}"
        for part in said:
            assert part in outcome.err, f"the refusal should say {part!r}, but says:\n{outcome.err}"
        return outcome.err

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.cluster.find(kind, name, self.name)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found = self.find(kind, name)
        assert found is not None, f"there is no {kind} {self.name}/{name}"
        return found

    def list(self, kind: str, query: str = "") -> list[dict[str, Any]]:
        return self.cluster.list(kind, self.name, query)

    def delete(self, kind: str, name: str) -> None:
        """Deletes and returns when it is gone."""
        self.cluster.kubectl("delete", "-n", self.name, KINDS[kind].plural, name, "--wait=true", "--timeout=30s")

    def edit(self, kind: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """A merge patch, as a hand would make it."""
        path = KINDS[kind].path(self.name, name)
        answer = self.cluster.api("PATCH", path, patch, "application/merge-patch+json")
        assert answer.status == 200, f"patching {kind} {self.name}/{name}: {answer.status} {answer.text}"
        return answer.json()

    def edit_labels(self, labels: Mapping[str, str]) -> None:
        """Labels of the namespace itself."""
        patch = {"metadata": {"labels": dict(labels)}}
        path = KINDS["namespace"].path(None, self.name)
        answer = self.cluster.api("PATCH", path, patch, "application/merge-patch+json")
        assert answer.status == 200, f"labelling {self.name}: {answer.status} {answer.text}"

    # --- waiting

    def await_exists(self, kind: str, name: str, within: float = 15.0) -> dict[str, Any]:
        return await_until(f"{kind} {self.name}/{name} exists", lambda: self.find(kind, name), within)

    def await_gone(self, kind: str, name: str, within: float = 15.0) -> None:
        await_until(f"{kind} {self.name}/{name} is gone", lambda: self.find(kind, name) is None, within)

    def await_condition(
        self,
        kind: str,
        name: str,
        type: str,
        status: str = "True",
        *,
        reason: str | None = None,
        says: tuple[str, ...] | str = (),
        within: float = 15.0,
    ) -> dict[str, Any]:
        """Waits for a condition that speaks of the current generation; returns it."""
        parts = (says,) if isinstance(says, str) else says

        def probe() -> dict[str, Any] | None:
            object = self.get(kind, name)
            conditions = object.get("status", {}).get("conditions", [])
            found = next((c for c in conditions if c["type"] == type), None)
            assert found is not None, f"no condition {type} among {[c['type'] for c in conditions]}"
            generation = object["metadata"]["generation"]
            current = found.get("observedGeneration") == generation
            matches = found["status"] == status and reason in (None, found.get("reason"))
            spoken = all(part in found.get("message", "") for part in parts)
            assert current and matches and spoken, f"generation {generation}, {json.dumps(found)}"
            return found

        wanted = f"{type}={status}" + (f" ({reason})" if reason else "") + "".join(f", saying {p!r}" for p in parts)
        return await_until(f"{kind} {self.name}/{name} has {wanted}", probe, within)

    # --- pods: what a kubelet would do

    def create_pod(
        self,
        workload: str,
        name: str | None = None,
        *,
        phase: str = "Running",
        labels: Mapping[str, str] | None = None,
        service_account: str = "default",
    ) -> Pod:
        """A pod object of a workload. Nothing runs it: a test starts the sidecar as a local process."""
        name = name or f"{re.sub('[^a-z0-9]+', '-', workload.lower())}-{secrets.token_hex(3)}"
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {WORKLOAD_LABEL: workload, **(labels or {})}},
            "spec": {
                "serviceAccountName": service_account,
                "schedulerName": "nobody",  # on a foreign cluster too: its phase is the test's to set
                "automountServiceAccountToken": False,
                "containers": [{"name": "sidecar", "image": "localhost/none:1"}],
            },
        }
        answer = self.cluster.api("POST", KINDS["pod"].path(self.name), manifest)
        assert answer.status == 201, f"creating pod {self.name}/{name}: {answer.status} {answer.text}"
        pod = Pod(self, name, workload, service_account)
        pod.set_phase(phase)
        return pod

    # --- its own life

    def create(self, labels: Mapping[str, str]) -> None:
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.name, "labels": {"mesh-auth-e2e": "true", **labels}},
        }
        answer = self.cluster.api("POST", KINDS["namespace"].path(None), manifest)
        assert answer.status in (201, 409), f"creating namespace {self.name}: {answer.status} {answer.text}"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        answer = self.cluster.api("POST", KINDS["serviceaccount"].path(self.name), account)
        assert answer.status in (201, 409), f"creating its service account: {answer.status} {answer.text}"

    def remove(self) -> None:
        """Deletes the namespace; where no controller runs, what tests and operators put here and its finalizer too."""
        path = KINDS["namespace"].path(None, self.name)
        self.cluster.api("DELETE", path)
        if not self.cluster.plane:
            return

        def emptied() -> bool:
            # From now on the API server refuses new objects here, a moment after it has noticed.
            left = []
            for kind in _REMOVED_WITH_IT:
                answer = self.cluster.api("DELETE", KINDS[kind].path(self.name))
                assert answer.status in (200, 404), f"emptying {self.name} of {kind}: {answer.status} {answer.text}"
                left += answer.json()["items"] if answer.status == 200 else []
            space = self.cluster.find("namespace", self.name)
            if space:
                space["spec"]["finalizers"] = []
                self.cluster.api("PUT", path + "/finalize", space)
            return not space and not left

        await_until(f"namespace {self.name} and all in it are gone", emptied)


class Pod:
    def __init__(self, space: Namespace, name: str, workload: str, service_account: str) -> None:
        self.space = space
        self.name = name
        self.workload = workload
        self.service_account = service_account

    def set_phase(self, phase: str) -> None:
        path = KINDS["pod"].path(self.space.name, self.name) + "/status"
        patch = {"status": {"phase": phase}}
        answer = self.space.cluster.api("PATCH", path, patch, "application/merge-patch+json")
        assert answer.status == 200, f"setting the phase of {self.name}: {answer.status} {answer.text}"

    def token(self, audience: str = "mesh-auth", seconds: int = 3600) -> str:
        """A service-account token bound to this pod, as kubelet would mint it for a projected volume."""
        pod = self.space.get("pod", self.name)
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [audience],
                "expirationSeconds": seconds,
                "boundObjectRef": {
                    "apiVersion": "v1", "kind": "Pod", "name": self.name, "uid": pod["metadata"]["uid"],
                },
            },
        }
        path = KINDS["serviceaccount"].path(self.space.name, self.service_account) + "/token"
        answer = self.space.cluster.api("POST", path, body)
        assert answer.status == 201, f"minting a token for {self.name}: {answer.status} {answer.text}"
        return answer.json()["status"]["token"]

    def delete(self) -> None:
        self.space.delete("pod", self.name)
