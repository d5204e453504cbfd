"""Whatever happens to a run, no process and no folder of it stays."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import procfs, tools
from harness.cluster import ForeignClusterRefused, foreign_cluster
from harness.supervisor import Supervisor
from harness.wait import await_until

pytestmark = pytest.mark.plane

_E2E = tools.REPO / "e2e"

# Starts a program that ignores SIGTERM and has a child of its own, says their pids, and then does as told.
_VICTIM = """
import os, signal, sys, tempfile, time
from pathlib import Path
from harness.supervisor import Supervisor
from harness.wait import await_until
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored in what it starts with &
logs = Path(sys.argv[1])
owner = Supervisor(logs)
folder = Path(tempfile.mkdtemp(dir=logs)); owner.remove_at_end(folder)
script = 'trap "" TERM; sleep 600 & echo child $!; echo ready; while :; do wait; done'
process = owner.start("stubborn", ["bash", "-c", script])
await_until("it runs", lambda: "ready" in process.output())
child = process.output().split("child ")[-1].split()[0]
print(process.pid, child, folder, flush=True)
if sys.argv[2] == "leave": sys.exit(0)
if sys.argv[2] == "stop": owner.stop_all(); sys.exit(0)
time.sleep(600)
"""


@contextlib.contextmanager
def _victim(tmp_path: Path, ending: str):
    """(the run, [(pid, start) of the program and its child], the folder that goes with it)."""
    victim = subprocess.Popen(
        [sys.executable, "-c", _VICTIM, str(tmp_path), ending],
        cwd=_E2E,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert victim.stdout is not None
        leader, child, folder = victim.stdout.readline().split()
        yield victim, [(int(pid), procfs.start_time(int(pid)) or 0) for pid in (leader, child)], Path(folder)
    finally:
        victim.kill()
        victim.wait()


def _await_gone(pids: list[tuple[int, int]]) -> None:
    await_until("every process is gone", lambda: not [p for p, s in pids if procfs.is_running(p, s)], within=20)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_run_that_is_killed_leaves_nothing(tmp_path, number):
    with _victim(tmp_path, "wait") as (victim, pids, folder):
        assert all(started for _, started in pids) and folder.is_dir()
        os.killpg(victim.pid, number)
        victim.wait(30)
        _await_gone(pids)
        await_until("its folder is gone", lambda: not folder.exists())


@pytest.mark.parametrize("ending", ["leave", "stop"])
def test_a_run_that_ends_leaves_nothing(tmp_path, ending):
    with _victim(tmp_path, ending) as (victim, pids, _):
        victim.wait(20)
        _await_gone(pids)


def test_a_recycled_pid_is_left_alone():
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        started = procfs.start_time(bystander.pid)
        assert started is not None
        procfs.end_session(bystander.pid, started - 1, grace=0.1)
        assert bystander.poll() is None
        procfs.end_session(bystander.pid, started, grace=1.0)
        assert bystander.wait(5) == -signal.SIGTERM
    finally:
        bystander.kill()
        bystander.wait()


def test_a_program_that_ends_before_it_is_ready_is_an_error_with_its_last_words(tmp_path):
    owner = Supervisor(tmp_path)
    try:
        with pytest.raises(AssertionError, match=r"(?s)broken ended with 3 before it was ready.*no such flag"):
            owner.start("broken", ["bash", "-c", "echo no such flag; exit 3"], ready=lambda: False)
        with pytest.raises(AssertionError, match=r"(?s)slow was not ready after 0.2 s; last seen: .*refused"):
            owner.start("slow", ["sleep", "60"], ready=_refused, within=0.2)
    finally:
        owner.stop_all()


def _refused():
    raise ConnectionRefusedError("connection refused")


def test_programs_do_not_see_the_callers_cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/somewhere/else")
    monkeypatch.setenv("HTTPS_PROXY", "http://somewhere.else")
    owner = Supervisor(tmp_path)
    try:
        assert owner.start("env", ["env"]).exit_code() == 0
        assert not re.search("KUBECONFIG|PROXY|somewhere", (tmp_path / "env.log").read_text())
    finally:
        owner.stop_all()


_INNER_TEST = """
import os, signal
def test_inner(cluster, workdir):
    plane = cluster.plane
    print("pids", plane.etcd.pid, plane.apiserver.pid, cluster._proxy.pid)
    print("folder", workdir)
    {ending}
"""


@pytest.mark.parametrize(
    ("ending", "code"),
    [("assert False, 'on purpose'", 1), ("os.kill(os.getpid(), signal.SIGTERM)", 2), ("os.kill(os.getpid(), 9)", -9)],
    ids=["failed-test", "SIGTERM", "SIGKILL"],
)
def test_a_control_plane_goes_with_its_run(tmp_path, ending, code):
    file = tmp_path / "test_inner.py"
    file.write_text(_INNER_TEST.format(ending=ending))
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-s", "-q", str(file)]
    command += ["-c", str(_E2E / "pytest.ini"), "--rootdir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(_E2E)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    pids = [int(pid) for pid in re.search(r"pids ([\d ]+)", done.stdout)[1].split()]
    folder = Path(re.search(r"folder (\S+)", done.stdout)[1])
    assert len(pids) == 3

    def left():
        return [pid for pid in pids if procfs.session_members(pid)]

    await_until("all of the control plane is gone", lambda: not left(), within=20)
    await_until("its folder is gone", lambda: not folder.exists(), within=20)


@pytest.fixture
def foreign(tmp_path):
    file = tmp_path / "foreign.kubeconfig"
    file.write_text("apiVersion: v1\nkind: Config\ncurrent-context: production\n")
    return file


def test_a_foreign_cluster_needs_both_variables_to_agree(foreign):
    assert foreign_cluster({"KUBECONFIG": str(foreign)}) == (None, None)
    assert foreign_cluster({"E2E_KUBECONFIG": str(foreign), "E2E_CONTEXT": "production"}) == (foreign, "production")


@pytest.mark.parametrize("context", [None, "", "staging"])
def test_a_foreign_cluster_that_is_not_confirmed_is_refused(foreign, context):
    environment = {"E2E_KUBECONFIG": str(foreign)} | ({} if context is None else {"E2E_CONTEXT": context})
    with pytest.raises(ForeignClusterRefused, match="set E2E_CONTEXT to the same name"):
        foreign_cluster(environment)


def test_a_foreign_cluster_without_its_file_is_refused(tmp_path):
    with pytest.raises(ForeignClusterRefused, match="there is no such file"):
        foreign_cluster({"E2E_KUBECONFIG": str(tmp_path / "none"), "E2E_CONTEXT": "production"})


def test_a_context_without_a_kubeconfig_is_refused():
    with pytest.raises(ForeignClusterRefused, match="E2E_KUBECONFIG is not"):
        foreign_cluster({"E2E_CONTEXT": "production"})
