"""The node itself: `down` leaves nothing, whatever happened before."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import procfs, tools
from harness.wait import await_until
from node import machine
from node.namespaces import Namespaces

pytestmark = pytest.mark.own_node("they start and end nodes on this machine")

_READY_WITHIN = 20  # seconds, with our images in it
_SCRIPT = tools.REPO / "e2e" / "cluster.py"


@pytest.fixture
def folder():
    made = tools.REPO / "build" / "e2e" / "other"
    made.parent.mkdir(parents=True, exist_ok=True)  # where this is the first test of all
    yield made
    assert _run(made, "down").returncode == 0


def _command(*words):
    return [sys.executable, str(_SCRIPT), *words]


def _environment(folder):
    return {**os.environ, "MESH_AUTH_CLUSTER_DIR": str(folder)}


def _run(folder, *words):
    return subprocess.run(_command(*words), env=_environment(folder), capture_output=True, text=True, timeout=170)


def _inside(namespace):
    """Pids of the processes in a PID namespace."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "ns/pid") == namespace:
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended meanwhile
    return found


def _machine_state(folder):
    """What a node could leave behind on this machine."""
    say = lambda *command: subprocess.run(command, capture_output=True, text=True, env={"PATH": machine.SEARCH}).stdout  # noqa: E731
    cgroup = Namespaces(folder).cgroup
    return {
        "mounts": Path("/proc/self/mounts").read_text(),
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "rules": say("iptables-save").count("KUBE-"),
        "control groups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{cgroup}")],
        "folders": [path for path in ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/etc/cni/net.d") if os.path.exists(path)],
        "data": folder.exists(),
    }


@pytest.mark.timeout(400)  # two starts and a restart
def test_a_killed_start_and_a_whole_life_leave_nothing(folder, said):
    assert _run(folder, "down").returncode == 0
    before = _machine_state(folder)

    with open(folder.with_name("killed.log"), "wb") as log:
        starter = subprocess.Popen(_command("up"), env=_environment(folder), stdout=log, stderr=log, start_new_session=True)
    started = await_until("its API server is starting", lambda: Namespaces(folder).first_process() if (folder / "etcd").exists() else None, 60)
    namespace = os.readlink(f"/proc/{started}/ns/pid")
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    assert _inside(namespace), "the killed start left nothing to take away: this test would prove nothing"
    assert _run(folder, "down").returncode == 0
    assert not _inside(namespace) and _machine_state(folder) == before

    began = time.monotonic()
    done = _run(folder, "up", str(_READY_WITHIN))
    said(f"a cluster was up in {time.monotonic() - began:.1f} s")
    assert done.returncode == 0 and re.search(r"^ready after [\d.]+ s$", done.stdout, re.M), done.stdout + done.stderr
    assert f"KUBECONFIG={folder}/pki/admin.kubeconfig\n" in done.stdout and (folder / "pki/admin.kubeconfig").is_file(), done.stdout
    first = Namespaces(folder).first_process()
    namespace = os.readlink(f"/proc/{first}/ns/pid")
    again = _run(folder, "up")
    assert again.returncode == 0 and "already running" in again.stdout, again
    inside = lambda *words: subprocess.run([folder / "enter", *words], capture_output=True, text=True, timeout=60)  # noqa: E731
    nodes = inside("kubectl", "get", "nodes")
    assert "node1" in nodes.stdout and " Ready " in nodes.stdout, nodes.stdout + nodes.stderr
    assert inside("kubectl", "create", "namespace", "kept").returncode == 0

    old = [(pid, procfs.start_time(pid) or 0) for pid in _inside(namespace)]
    done = _run(folder, "restart")
    assert done.returncode == 0, done.stdout + done.stderr
    assert old and not [pid for pid, started in old if procfs.is_running(pid, started)]
    assert inside("kubectl", "get", "namespace", "kept").returncode == 0
    namespace = os.readlink(f"/proc/{Namespaces(folder).first_process()}/ns/pid")
    assert _run(folder, "down").returncode == 0
    assert not _inside(namespace) and _machine_state(folder) == before


def test_a_machine_that_cannot_is_told_what_is_missing(monkeypatch, tmp_path):
    fake = tmp_path / "unshare"
    fake.write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(machine.Unfit, match="namespaces: .* failed, .*: unshare failed: Operation not permitted"):
        machine.check(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(machine.Unfit, match="root: .*; this is user 1000"):
        machine.check(tmp_path)
    monkeypatch.setattr(machine, "SEARCH", str(tmp_path))
    with pytest.raises(machine.Unfit, match=r"(?s)containerd: apt-get install containerd.*runc: apt-get install runc"):
        machine.check(Path("/var/lib/node"))
