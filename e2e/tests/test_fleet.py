"""Streams: who gets a workload's bundle, and who does not."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl

import pytest

from harness import client
from harness.resources import READ, rule
from harness.sidecar import TRUST
from harness.wait import await_until

pytestmark = pytest.mark.operator


@pytest.fixture
def fleet(mesh, oidc, tmp_path):
    """The operator's fleet listener as an agent sees it, and a workload with a policy and one pod."""
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    pod = mesh.ns.create_pod("orders")
    trust = json.loads(mesh.ns.await_exists("configmap", TRUST)["data"]["trust.json"])
    authority = tmp_path / "fleet-ca.pem"
    authority.write_text("\n".join(trust["certificateAuthorities"]))
    return Fleet(mesh, pod, authority)


class Fleet:
    def __init__(self, mesh, pod, authority):
        self.mesh, self.pod, self.authority = mesh, pod, authority
        self.url = mesh.operator.fleet_url

    def path(self, workload="orders", namespace=None):
        return f"/v1/workloads/{namespace or self.mesh.ns.name}/{workload}/stream"

    def status(self, path, token=None):
        """Of the answer's head: a stream has no end."""
        return int(self.head(path, token)[0].split(b" ")[1])

    def head(self, path, token=None, more=b""):
        host, port = self.url.removeprefix("https://").split(":")
        context = ssl.create_default_context(cafile=str(self.authority))
        authorization = f"Authorization: Bearer {token}\r\n".encode() if token else b""
        request = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: " + host.encode() + b"\r\n"
        request += b"Accept: text/event-stream\r\n" + authorization + more + b"\r\n"
        with socket.create_connection(("127.0.0.1", int(port)), 10) as plain:
            with context.wrap_socket(plain, server_hostname=host) as connection:
                connection.sendall(request)
                received = b""
                while b"\r\n\r\n" not in received or (b" 200 " in received[:20] and b"event: bundle" not in received):
                    chunk = connection.recv(65536)
                    if not chunk:
                        break
                    received += chunk
        return received.split(b"\r\n", 1)


def test_a_pod_gets_its_own_workloads_bundle(fleet):
    head, rest = fleet.head(fleet.path(), fleet.pod.token())
    assert b" 200 " in head and b"text/event-stream" in rest and b"event: bundle" in rest


def test_a_pod_gets_no_other_workloads_bundle(fleet, cluster):
    fleet.mesh.ns.create_pod("users")
    token = fleet.pod.token()
    await_until("its own stream opens", lambda: fleet.status(fleet.path(), token) == 200)
    assert fleet.status(fleet.path("users"), token) == 403
    assert fleet.status(fleet.path(namespace="default"), token) == 403


@pytest.mark.parametrize("token", [None, "", "not.a.token"], ids=["none", "empty", "garbage"])
def test_without_a_good_token_there_is_no_stream(fleet, token):
    assert fleet.status(fleet.path(), token) == 401


def test_a_token_for_another_audience_opens_no_stream(fleet):
    assert fleet.status(fleet.path(), fleet.pod.token("https://kubernetes.default.svc")) == 401


def test_a_token_bound_to_no_pod_opens_no_stream(fleet, cluster):
    token = cluster.kubectl("create", "token", "default", "-n", fleet.mesh.ns.name, "--audience=mesh-auth").strip()
    assert fleet.status(fleet.path(), token) == 403


def test_a_token_of_a_pod_without_our_label_opens_no_stream(fleet, cluster):
    pod = fleet.mesh.ns.create_pod("orders")
    token = pod.token()
    cluster.kubectl("label", "-n", fleet.mesh.ns.name, "pod", pod.name, "meshauth.dev/workload-")
    await_until("its stream is refused", lambda: fleet.status(fleet.path(), token) == 403)


def test_other_paths_and_methods_are_refused(fleet):
    token = fleet.pod.token()
    headers = {"Authorization": f"Bearer {token}"}
    options = {"headers": headers, "authority": fleet.authority}
    assert client.get(f"{fleet.url}/v1/workloads", **options).status == 404
    assert client.get(f"{fleet.url}/v1/workloads/../../etc/passwd/stream", **options).status in (400, 404)
    assert client.post(fleet.url + fleet.path(), **options).status in (404, 405)
    ack = fleet.url + fleet.path().replace("/stream", "/ack")
    assert client.post(ack, **options, body="not json").status == 400
    with contextlib.suppress(OSError):  # it may close while we still send
        assert client.post(ack, **options, body="x" * (1 << 21)).status in (400, 413)
    assert client.post(ack, **options, body="x" * (1 << 15)).status in (400, 413)


def test_an_ack_of_a_revision_that_never_was_is_not_believed(fleet):
    """From acks, not from hope: a forged one does not make Programmed true."""
    ack = fleet.url + fleet.path().replace("/stream", "/ack")
    body = {"revision": "0" * 64, "outcome": "applied", "detail": "", "reloadMs": 0, "swapMs": 0}
    client.post(ack, headers={"Authorization": f"Bearer {fleet.pod.token()}"}, json=body, authority=fleet.authority)
    fleet.mesh.ns.await_condition("accesspolicy", "readers", "Programmed", "False", says="0 of 1")
    assert fleet.mesh.ns.get("accesspolicy", "readers")["status"]["sidecarSummary"] == "0/1"
