"""Kinds that the tests read, and builders for our two resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GROUP = "meshauth.dev"
VERSION = "v1alpha1"
WORKLOAD_LABEL = f"{GROUP}/workload"


@dataclass(frozen=True)
class Kind:
    prefix: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None, name: str | None = None) -> str:
        middle = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.prefix}{middle}/{self.plural}" + (f"/{name}" if name else "")


KINDS = {
    "namespace": Kind("/api/v1", "namespaces", namespaced=False),
    "pod": Kind("/api/v1", "pods"),
    "service": Kind("/api/v1", "services"),
    "configmap": Kind("/api/v1", "configmaps"),
    "secret": Kind("/api/v1", "secrets"),
    "event": Kind("/api/v1", "events"),
    "serviceaccount": Kind("/api/v1", "serviceaccounts"),
    "lease": Kind("/apis/coordination.k8s.io/v1", "leases"),
    "identityprovider": Kind(f"/apis/{GROUP}/{VERSION}", "identityproviders"),
    "accesspolicy": Kind(f"/apis/{GROUP}/{VERSION}", "accesspolicies"),
    "crd": Kind("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False),
}


def identity_provider(name: str, **spec: Any) -> dict[str, Any]:
    return _resource("IdentityProvider", name, spec)


def access_policy(name: str, **spec: Any) -> dict[str, Any]:
    return _resource("AccessPolicy", name, spec)


def _resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}, "spec": spec}


def rule(name: str, *callers: dict[str, Any], action: str = "Allow", **fields: Any) -> dict[str, Any]:
    """A rule; each of `callers` is one entry of `from`. Further fields: to, when."""
    made: dict[str, Any] = {"name": name, "action": action}
    if callers:
        made["from"] = list(callers)
    return {**made, **fields}


def caller(provider: str = "idp", namespace: str | None = None, **fields: Any) -> dict[str, Any]:
    """An entry of `from`: callers of a provider, with scopes, groups, claims ..."""
    reference = {"name": provider} | ({"namespace": namespace} if namespace else {})
    return {"identityProvider": reference, **fields}


ANYONE = {"anyone": True}
READ = caller(scopes={"all": ["orders:read"]})
