"""These tests on a cluster that they did not start: another node of ours, reached as somebody else's would be."""

from __future__ import annotations

import os
import sys

import pytest

from harness import tools
from node import foreign
from node.lifecycle import Node
from node.machine import Unfit

pytestmark = pytest.mark.own_node("they start that cluster on this machine")

_NODE = tools.REPO / "build" / "e2e" / "theirs"
_HERE = tools.REPO / "e2e" / "node_tests"
# A release that nobody uninstalls, a test that cannot run there, the tour of the README; and what pytest says at the end.
_SOME = (
    (["test_install.py::test_what_the_operator_counts_is_served", "test_restart.py"], "1 passed, 1 skipped"),
    (["test_walk_through.py"], "1 passed"),
)


@pytest.fixture(scope="module")
def theirs(supervisor, images):
    made = Node(supervisor, _NODE)
    supervisor.remove_at_end(_NODE)
    try:
        made.start()
        for name in ("operator", "sidecar", "cli"):
            made.import_image(_NODE.with_name("images") / f"{name}.tar")
        yield made
    finally:
        made.stop()


def _run(theirs, *tests, **variables):
    """pytest on it, in its network; the exit code and all that was said."""
    named = {"E2E_KUBECONFIG": str(theirs.kubeconfig), "E2E_CONTEXT": "mesh-auth"}
    command = [sys.executable, "-m", "pytest", "-c", tools.REPO / "e2e" / "pytest.ini", "-p", "no:cacheprovider", *(_HERE / name for name in tests)]
    done = theirs.run(*command, env={**os.environ, **named, **variables}, timeout=300)
    return done.returncode, done.stdout + done.stderr


def test_images_that_its_nodes_do_not_find_are_named(theirs, images):
    code, said = _run(theirs, "test_install.py", E2E_IMAGE_REPOSITORY="localhost/nobody", E2E_IMAGE_TAG="1")
    assert code == 1 and "no tests ran" in said, said
    for name in images:
        assert f"localhost/nobody/{name}:1: ErrImagePull" in said or f"localhost/nobody/{name}:1: ImagePullBackOff" in said, said


def test_a_cluster_that_has_the_mesh_is_left_alone(theirs):
    kubectl = theirs.cluster.kubectl
    kubectl("create", "namespace", "shop")
    code, said = _run(theirs, "test_install.py", E2E_IMAGE_REPOSITORY="localhost/nginx-mesh-auth")
    assert code == 1 and "no tests ran" in said and "has namespace shop, which these tests would change and delete" in said, said
    assert theirs.cluster.find("namespace", "shop")["status"]["phase"] == "Active"
    kubectl("delete", "namespace", "shop", "--wait=true", "--timeout=60s", timeout=70)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("tests, outcome", _SOME, ids=("a release", "the tour"))
def test_they_run_there_and_take_away_what_they_made(theirs, tests, outcome):
    code, said = _run(theirs, *tests, E2E_IMAGE_REPOSITORY="localhost/nginx-mesh-auth")
    assert code == 0 and outcome in said, said
    left = [name for name in foreign.NAMESPACES if theirs.cluster.find("namespace", name)]
    mesh = theirs.cluster.kubectl("get", "crd,clusterrole,clusterrolebinding,mutatingwebhookconfiguration", "-o", "name")
    assert not left and "mesh" not in mesh, (left, mesh)


def test_where_the_images_are_has_to_be_said():
    with pytest.raises(Unfit, match=r"(?s)- REPOSITORY/operator:2.*- REPOSITORY/box:2.*name REPOSITORY in E2E_IMAGE_REPOSITORY"):
        foreign.named_images({"E2E_IMAGE_TAG": "2"})
    names = foreign.named_images({"E2E_IMAGE_REPOSITORY": "registry.example.com/mesh/", "E2E_IMAGE_TAG": "2"})
    assert names["cli"] == "registry.example.com/mesh/cli:2"


def test_half_a_name_is_refused(tmp_path):
    with pytest.raises(Unfit, match="E2E_CONTEXT is set but E2E_KUBECONFIG is not"):
        foreign.is_named({"E2E_CONTEXT": "production"})
    with pytest.raises(Unfit, match="there is no such file"):
        foreign.is_named({"E2E_CONTEXT": "production", "E2E_KUBECONFIG": str(tmp_path / "none")})
