"""`make control-plane` and `make control-plane-down`: the tour's commands work, and nothing of it stays."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from harness import client, procfs, tools
from harness.ports import is_listening

pytestmark = [pytest.mark.operator, pytest.mark.sidecar]

_SCRIPT = tools.REPO / "e2e" / "control_plane.py"


def _run(folder, verb):
    return _say([sys.executable, str(_SCRIPT), verb], MESH_AUTH_CONTROL_PLANE_DIR=str(folder))


def _say(command, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=tools.REPO, env=environment, capture_output=True, text=True, timeout=150)


@pytest.fixture
def folder(tmp_path):
    for port in (8444, 8080):
        if is_listening(port):
            pytest.fail(f"port {port} is taken: if `make control-plane` is running, end it with `make control-plane-down`")
    yield tmp_path / "plane"
    assert _run(tmp_path / "plane", "down").returncode == 0


def test_a_taken_port_is_named_before_anything_is_started(folder):
    with socket.create_server(("127.0.0.1", 8080)):
        done = _run(folder, "up")
    assert done.returncode == 1 and "port 8080" in done.stderr and not folder.exists()


def test_the_tour_works_and_nothing_stays(folder):
    done = _run(folder, "up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"KUBECONFIG={folder}/kubeconfig" in done.stdout
    processes = json.loads((folder / "processes.json").read_text())
    assert {"etcd", "kube-apiserver", "operator", "dev-idp"} <= {process["name"] for process in processes}

    def kubectl(*args):
        done = _say([str(folder / "bin" / "kubectl"), *args], KUBECONFIG=str(folder / "kubeconfig"))
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert client.get("http://127.0.0.1:8080/orders/7").status == 403
    kubectl("apply", "-f", "examples/control-plane")
    kubectl("wait", "-n", "shop", "--for=condition=Ready", "idprov/dev", "accpol/orders", "--timeout=30s")
    kubectl("wait", "-n", "shop", "--for=condition=Programmed", "accpol/orders", "--timeout=30s")
    assert "orders" in kubectl("get", "idprov,accpol", "-A")
    assert client.get("http://127.0.0.1:8080/orders/7").status == 401

    minted = client.post(
        "https://127.0.0.1:8444/token",
        json={"claims": {"sub": "ann", "aud": "orders", "scope": "orders:read"}},
        authority=folder / "dev-idp" / "ca.pem",
    )
    assert minted.status == 200, minted.text
    headers = {"Authorization": f"Bearer {minted.json()['access_token']}"}
    assert client.get("http://127.0.0.1:8080/orders/7", headers=headers).status == 200
    assert client.get("http://127.0.0.1:8080/users/bob/x", headers=headers).status == 403

    assert "already running" in _run(folder, "up").stdout
    assert _run(folder, "down").returncode == 0
    assert not folder.exists()
    assert not [p for p in processes if procfs.session_members(p["pid"])]


def test_down_leaves_a_process_alone_that_got_a_recorded_pid(folder):
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        folder.mkdir()
        entry = {"name": "etcd", "pid": bystander.pid, "started": (procfs.start_time(bystander.pid) or 0) - 5}
        (folder / "processes.json").write_text(json.dumps([entry]))
        assert _run(folder, "down").returncode == 0
        assert bystander.poll() is None and not folder.exists()
    finally:
        bystander.kill()
        bystander.wait()
