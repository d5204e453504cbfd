"""The control plane that everything else stands on."""

from __future__ import annotations

import pytest

from harness import client
from harness.resources import WORKLOAD_LABEL

pytestmark = pytest.mark.plane


def test_it_is_the_kubernetes_that_we_support(cluster):
    version = cluster.api("GET", "/version").json()
    assert (version["major"], version["minor"]) == ("1", "36")
    assert "Server Version: v1.36" in cluster.kubectl("version")


def test_a_pod_of_a_workload_runs_without_a_kubelet(ns):
    pod = ns.create_pod("orders")
    found = ns.list("pod", f"?labelSelector={WORKLOAD_LABEL}=orders")
    assert [(p["metadata"]["name"], p["status"]["phase"]) for p in found] == [(pod.name, "Running")]
    pod.delete()
    ns.await_gone("pod", pod.name)


def _review(cluster, token, audience):
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [audience]},
    }
    return cluster.api("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body).json()["status"]


def test_a_pods_token_for_the_mesh_names_the_pod_and_opens_nothing_else(cluster, ns):
    pod = ns.create_pod("orders")
    token = pod.token("mesh-auth")

    status = _review(cluster, token, "mesh-auth")
    assert status["authenticated"] and status["audiences"] == ["mesh-auth"]
    assert status["user"]["username"] == f"system:serviceaccount:{ns.name}:default"
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == [pod.name]

    assert not _review(cluster, token, "https://kubernetes.default.svc").get("authenticated")
    if cluster.plane:
        assert cluster.plane.raw("/api/v1/namespaces", token).status == 401


def test_a_pods_token_dies_with_the_pod(cluster, ns):
    pod = ns.create_pod("orders")
    token = pod.token()
    pod.delete()
    status = _review(cluster, token, "mesh-auth")
    assert not status.get("authenticated") and "error" in status


def test_rbac_is_enforced(cluster, ns):
    if not cluster.plane:
        pytest.skip("needs our own control plane")
    pod = ns.create_pod("orders")
    token = pod.token("https://kubernetes.default.svc")
    answer = cluster.plane.raw(f"/api/v1/namespaces/{ns.name}/secrets", token)
    assert answer.status == 403 and f"system:serviceaccount:{ns.name}:default" in answer.json()["message"]


def test_a_temporary_namespace_goes_away_with_what_is_in_it(cluster):
    with cluster.temporary_namespace() as space:
        space.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "left"}, "data": {"a": "b"}})
        space.create_pod("orders")
    assert cluster.find("namespace", space.name) is None
    assert cluster.list("pod", space.name) == [] and cluster.list("configmap", space.name) == []


def test_nothing_listens_beyond_loopback(cluster):
    if not cluster.plane:
        pytest.skip("needs our own control plane")
    ours = {str(p) for p in _ports_of(cluster.plane.etcd.pid) | _ports_of(cluster.plane.apiserver.pid)}
    assert ours and all(address.startswith(("127.0.0.1:", "[::1]:")) for address in ours), ours


def _ports_of(pid):
    """Local addresses of the listening TCP sockets of one process."""
    import os
    import re
    import socket

    inodes = set()
    for entry in os.listdir(f"/proc/{pid}/fd"):
        link = os.readlink(f"/proc/{pid}/fd/{entry}")
        if match := re.fullmatch(r"socket:\[(\d+)\]", link):
            inodes.add(match[1])
    found = set()
    for family, file in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in open(f"/proc/{pid}/net/{file}").readlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                raw, port = fields[1].split(":")
                words = [bytes.fromhex(raw[i : i + 8])[::-1] for i in range(0, len(raw), 8)]
                address = socket.inet_ntop(family, b"".join(words))
                found.add(f"{address if family == socket.AF_INET else f'[{address}]'}:{int(port, 16)}")
    return found


def test_the_callers_own_kubeconfig_is_never_looked_at(cluster, monkeypatch, tmp_path):
    foreign = tmp_path / "config"
    foreign.write_text("this is not YAML: [")
    monkeypatch.setenv("KUBECONFIG", str(foreign))
    assert "default" in cluster.kubectl("get", "namespaces")


def test_an_answer_from_another_authority_is_refused(cluster, authority):
    if not cluster.plane:
        pytest.skip("needs our own control plane")
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        client.get(cluster.plane.server + "/version", authority=authority.certificate)
