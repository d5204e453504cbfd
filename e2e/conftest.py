"""Fixtures of the end-to-end tests. The parts themselves are in harness/."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from harness import chart, pki, tools
from harness import cluster as clusters
from harness import oidc as oidc_provider
from harness.bad_idp import BadIdp
from harness.elsewhere import Elsewhere
from harness.mesh import Mesh
from harness.operator import Operator
from harness.resources import GROUP
from harness.supervisor import Supervisor
from harness.wait import await_until

_LOGS = tools.REPO / "build" / "e2e" / "logs"


def pytest_configure(config: pytest.Config) -> None:
    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)  # fixtures still clean up

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """A failure ends with the last words of our programs."""
    report = yield
    if report.failed:
        for process in _running_supervisor.processes if _running_supervisor else []:
            if process.name.startswith(("operator", "sidecar")):
                report.sections.append((process.name, process.tail(15)))
    return report


_running_supervisor: Supervisor | None = None


@pytest.fixture(scope="session")
def supervisor():
    """Every program of the run; all are gone at its end, whatever happened. Logs stay in build/e2e/logs."""
    logs = Path(tempfile.mkdtemp(prefix="run-", dir=_fresh(_LOGS)))
    in_use = _lock(logs)
    global _running_supervisor
    owner = _running_supervisor = Supervisor(logs)
    try:
        yield owner
    finally:
        owner.stop_all()
        os.close(in_use)


def _fresh(folder: Path, keep: int = 4) -> Path:
    """The folder, with only the newest few runs in it, and those that go on."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):  # another run clears away, too
        runs = sorted(folder.glob("run-*"), key=lambda path: path.stat().st_mtime)
        for old in runs[: max(0, len(runs) - keep)]:
            unused = _lock(old)
            with contextlib.suppress(BlockingIOError):  # a run that goes on, perhaps in another namespace of processes
                fcntl.flock(unused, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old, ignore_errors=True)
            os.close(unused)
    return folder


def _lock(folder: Path) -> int:
    """What keeps the folder from being cleared away, until it is closed."""
    descriptor = os.open(folder, os.O_RDONLY)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return descriptor


@pytest.fixture(scope="session")
def workdir(supervisor):
    """A private folder for data, sockets (short paths) and kubeconfigs; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="mesh-auth-e2e-"))
    supervisor.remove_at_end(folder)
    yield folder
    supervisor.stop_all()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(supervisor, workdir):
    return clusters.start(supervisor, workdir)


@pytest.fixture(scope="session")
def crds(cluster):
    """Our kinds, from crds/, served by the API server; the definitions as it holds them."""
    cluster.kubectl("apply", "--server-side", "-f", str(tools.REPO / "crds"))
    names = [f"{plural}.{GROUP}" for plural in ("identityproviders", "accesspolicies")]
    for name in names:
        # kubectl wait gives up on an object that has no conditions yet.
        await_until(f"crd/{name} is served", lambda name=name: _is_established(cluster.find("crd", name) or {}), within=30)
    return [cluster.find("crd", name) for name in names]


def _is_established(crd: dict) -> bool:
    conditions = crd.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


@pytest.fixture(scope="session")
def authority(workdir):
    """The private CA of the providers."""
    return pki.Authority(workdir / "providers", "mesh-auth e2e providers")


@pytest.fixture
def elsewhere(supervisor, tmp_path, monkeypatch):
    """A control plane of the test's own."""
    monkeypatch.delenv("E2E_KUBECONFIG", raising=False)
    made = Elsewhere(supervisor, tmp_path)
    yield made
    made.close()


@pytest.fixture
def ns(cluster):
    """A namespace of the test's own."""
    with cluster.temporary_namespace() as space:
        yield space


# --- providers


@pytest.fixture(scope="session")
def oidc(supervisor, workdir, authority):
    """The certified provider that no test changes."""
    return oidc_provider.start(supervisor, workdir / "oidc", authority)


@pytest.fixture
def own_oidc(supervisor, workdir, authority):
    """A certified provider of the test's own, to rotate and to take down."""
    return oidc_provider.start(supervisor, workdir / "oidc", authority)


@pytest.fixture
def bad_idp(authority):
    """A provider of the test's own that misbehaves on request."""
    provider = BadIdp(authority)
    yield provider
    provider.close()


# --- our programs


@pytest.fixture(scope="session")
def operator_rights(cluster, crds, workdir):
    """The name of the service account that the chart makes."""
    return chart.install_rights(cluster, workdir)


@pytest.fixture(scope="session")
def operator_process(supervisor, cluster, workdir, operator_rights):
    """The one operator of the run."""
    kubeconfig = chart.restricted_kubeconfig(cluster, operator_rights, workdir / "operator.kubeconfig")
    folder = workdir / "operator"
    folder.mkdir()
    made = Operator(supervisor, cluster, folder, kubeconfig)
    made.start()
    return made


@pytest.fixture
def operator(operator_process):
    """The operator, running."""
    operator_process.ensure_running()
    return operator_process


@pytest.fixture
def mesh(supervisor, workdir, ns, operator):
    """A namespace of the test's own under the operator."""
    made = Mesh(supervisor, workdir / "sidecars", ns, operator)
    yield made
    made.close()
