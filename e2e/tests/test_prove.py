"""`meshauthctl prove`, which the chart's test runs: it says yes only where a real sidecar answers 401 and 200."""

from __future__ import annotations

import json
import subprocess

import pytest

from harness import client, tools
from harness.ports import free_port
from harness.resources import ANYONE, caller, identity_provider, rule

pytestmark = [pytest.mark.operator, pytest.mark.sidecar]


@pytest.fixture
def dev_idp(supervisor, tmp_path):
    """(issuer, CA file) of a development provider of the test's own."""
    issuer, state = f"https://localhost:{free_port()}", tmp_path / "dev-idp"
    argv = [tools.program("meshauthctl"), "dev-idp", "--listen", issuer.replace("https://localhost", "127.0.0.1"), "--issuer", issuer]

    def ready():
        return client.get(f"{issuer}/.well-known/openid-configuration", authority=state / "ca.pem").status == 200

    process = supervisor.start("dev-idp", [*argv, "--state", state], ready=ready)
    yield issuer, state / "ca.pem"
    supervisor.stop(process)


def _prove(dev_idp, port, within=30, **claims):
    issuer, authority = dev_idp
    argv = [tools.program("meshauthctl"), "prove", f"--url=http://127.0.0.1:{port}", "--path=/orders/1", f"--dev-idp={issuer}"]
    argv += [f"--dev-idp-ca={authority}", f"--claims={json.dumps(claims)}", f"--within={within}"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=within + 30)


def _meshed(mesh, dev_idp, *callers):
    issuer, authority = dev_idp
    mesh.ns.accepts(identity_provider("dev", issuer=issuer, audiences=["orders"], tls={"caBundle": authority.read_text()}))
    mesh.policy("orders", rule("all", *callers))
    return mesh.sidecar("orders")


def test_it_waits_until_a_workload_refuses_and_answers(mesh, dev_idp):
    orders = _meshed(mesh, dev_idp, caller("dev"))
    done = _prove(dev_idp, orders.port, sub="ann", aud="orders")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "GET /orders/1 without a token: 401\nGET /orders/1 with a token: 200\nproved\n"


def test_a_token_that_is_refused_proves_nothing(mesh, dev_idp):
    orders = _meshed(mesh, dev_idp, caller("dev"))
    orders.await_answer(401)
    done = _prove(dev_idp, orders.port, within=2, sub="ann", aud="billing")
    assert done.returncode == 1 and done.stdout == ""
    assert "with a token: 401\nnot 401 and 200 within 2 s\n" in done.stderr


def test_a_workload_that_lets_everybody_in_is_a_failure_at_once(mesh, dev_idp):
    orders = _meshed(mesh, dev_idp, ANYONE)
    orders.await_answer(200)
    done = _prove(dev_idp, orders.port, within=1000, sub="ann", aud="orders")
    assert done.returncode == 1
    assert "without a token: 200\nthe workload lets everybody in" in done.stderr
