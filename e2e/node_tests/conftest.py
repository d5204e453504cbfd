"""Fixtures of the tests on a real node: ours, or somebody else's cluster. One of it, one release and one shop for all of them."""

from __future__ import annotations

import contextlib
import os

import pytest

from harness import chart, tools
from harness.wait import await_until
from node import foreign, machine
from node import images as own
from node.foreign import Foreign
from node.injected import Injected
from node.lifecycle import Node
from node.place import Place
from node.release import Release
from node.shop import Shop

_NODE = tools.REPO / "build" / "e2e" / "node"
_IMAGES = tools.REPO / "build" / "e2e" / "images"
_running: Place | None = None


@pytest.fixture(scope="session", autouse=True)
def fit():
    """Says what is missing before any test is tried."""
    with _stopping():
        if not foreign.is_named(os.environ):
            machine.check(_NODE)


@contextlib.contextmanager
def _stopping():
    try:
        yield
    except machine.Unfit as unfit:
        pytest.exit(str(unfit), returncode=1)


def pytest_collection_modifyitems(items: list[pytest.Item]):
    with _stopping():
        if not foreign.is_named(os.environ):
            return
    for item in items:
        for mark in item.iter_markers("own_node"):
            item.add_marker(pytest.mark.skip(reason=f"not on somebody else's cluster: {mark.args[0]}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """A failure ends with what the pods were doing."""
    report = yield
    if report.failed and _running:
        for title, command in (
            ("pods", ["get", "pods", "-A", "-o", "wide"]),
            ("events", ["get", "events", "-A", "--sort-by=.lastTimestamp"]),
            ("operator", ["logs", "-n", chart.NAMESPACE, "-l", "app.kubernetes.io/name=mesh-auth-operator", "--tail=15"]),
            ("sidecar", ["logs", "-n", "shop", "deployment/orders", "-c", "mesh-auth", "--tail=15"]),
            ("injected sidecar", ["logs", "-n", "meshed", "deployment/orders", "-c", "mesh-auth", "--tail=15"]),
        ):
            outcome = _running.cluster.kubectl.run(*command, timeout=20)
            report.sections.append((title, "\n".join((outcome.out + outcome.err).splitlines()[-30:])))
    return report


@pytest.fixture(scope="session")
def images(fit):
    """The names of our images, of this tree's programs."""
    if foreign.is_named(os.environ):
        with _stopping():
            return foreign.named_images(os.environ)
    own.build(_IMAGES)
    return own.OWN


@pytest.fixture(scope="session")
def node(supervisor, workdir, images):
    """A cluster with our images."""
    make = _foreign_cluster if foreign.is_named(os.environ) else _own_node
    global _running
    with make(supervisor, workdir, images) as _running:
        try:
            yield _running
        finally:
            _running = None


@contextlib.contextmanager
def _own_node(supervisor, workdir, images):
    made = Node(supervisor, _NODE)
    supervisor.remove_at_end(_NODE)
    try:
        made.start()
        for archive in sorted(_IMAGES.glob("*.tar")):
            made.import_image(archive)
        yield made
    finally:
        made.stop()


@contextlib.contextmanager
def _foreign_cluster(supervisor, workdir, images):
    with _stopping():
        made = Foreign(supervisor, workdir, images)
    try:
        yield made
    finally:
        made.clean()


@pytest.fixture(scope="session")
def release(node, images):
    """The chart, installed."""
    repository, tag = images["cli"].rsplit(":", 1)
    proof = {"image.repository": repository, "image.tag": tag, "withinSeconds": 60}
    made = Release(node)
    made.install(images, *(f"test.{name}={value}" for name, value in proof.items()))
    return made


@pytest.fixture(scope="session")
def shop(node, release, images):
    made = Shop(node, images)
    made.open()
    return made


@pytest.fixture(scope="session")
def ending(node):
    """Names of namespaces that are being deleted: by the end of the run they are gone."""
    names: list[str] = []
    yield names
    for name in names:
        await_until(f"namespace {name} is gone", lambda name=name: node.cluster.find("namespace", name) is None, within=60)


@pytest.fixture
def injected(shop, ending):
    """Applications with injected sidecars, native and transparent, and a load without a token on them."""
    made = Injected(shop)
    ending.append(made.ns.name)
    try:
        made.open()
        yield made
    finally:
        made.close()


@pytest.fixture
def operator_count(node):
    """operator_count(N) awaits that many; the one is back after the test."""

    def scale(number):
        node.cluster.kubectl("scale", "-n", chart.NAMESPACE, "deployment/mesh-auth-operator", f"--replicas={number}")
        node.cluster.kubectl("rollout", "status", "-n", chart.NAMESPACE, "deployment/mesh-auth-operator", "--timeout=90s", timeout=100)
        selector = "?labelSelector=app.kubernetes.io/name=mesh-auth-operator"
        await_until("the pods are as many", lambda: len(node.cluster.list("pod", chart.NAMESPACE, selector)) == number, 60)

    yield scale
    scale(1)


@pytest.fixture
def said(capsys):
    """Prints past pytest's capture: numbers are worth a line in every run."""

    def say(text):
        with capsys.disabled():
            print(f"\n  {text}", end="")

    return say
