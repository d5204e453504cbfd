"""The tour of the README, word for word: on the node of these tests, after all else was uninstalled."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys

import pytest

from harness import tools
from harness.supervisor import clean_environment
from node import foreign, machine
from node import images as own

_PAGE = tools.REPO / "README.md"
_VALUES = "build/cluster/values.yaml"
_EXAMPLE = "examples/quickstart"
_COMMANDS = 7  # from `helm install` to a caller that is let in
_ISSUER = "https://kubernetes.default.svc.cluster.local"


@pytest.fixture
def steps(node, images, tmp_path):
    """What the tour says to type after `make cluster`, with the files of this run."""
    sys.path.insert(0, str(tools.REPO / "tools"))
    import tour

    values = tmp_path / "values.yaml"
    values.write_text(own.values(images))
    text = _PAGE.read_text().split("\n## The tour", 1)[1].split("\n## ", 1)[0]
    (cluster, _), *todo = tour.steps(text)
    assert cluster.startswith("make cluster\n") and _VALUES in todo[0][0] and _EXAMPLE in todo[2][0], "the tour begins differently by now"
    assert sum(wanted is not None for _, wanted in todo) >= 5
    for commands, _ in todo[:_COMMANDS]:
        assert commands.count("\n") == 1 and not re.search(r"&&|[;|]", commands), f"this is more than one command: {commands}"
    example = _EXAMPLE
    if foreign.is_named(os.environ):
        _skip_without_a_way(node)
        example = _adapted_example(node, images, tmp_path / "quickstart")
    return [(commands.replace(_VALUES, str(values)).replace(_EXAMPLE, str(example)), wanted) for commands, wanted in todo]


def _skip_without_a_way(node):
    """The tour asks a Service by its name."""
    name = "kubernetes.default.svc.cluster.local"
    try:
        socket.create_connection((name, 443), timeout=5).close()
    except OSError as error:
        pytest.skip(f"somebody else's cluster: no Service is reached by its name from here ({name}: {error}), only from its pods")


def _adapted_example(node, images, folder):
    """As the page for a cluster of one's own says: another image, another issuer."""
    shutil.copytree(tools.REPO / _EXAMPLE, folder)
    issuer = node.cluster.api("GET", "/.well-known/openid-configuration").json()["issuer"]
    for name, was, is_now in (("30-application.yaml", own.OWN["cli"], images["cli"]), ("10-identity-provider.yaml", _ISSUER, issuer)):
        text = (folder / name).read_text()
        assert was in text, f"{_EXAMPLE}/{name} does not hold {was} any more"
        (folder / name).write_text(text.replace(was, is_now))
    return folder


@pytest.mark.timeout(400)
def test_every_answer_of_the_tour_is_the_one_that_stands_there(node, steps, tmp_path):
    import tour

    programs = f"{tools.kube('kubectl').parent}:{tools.helm().parent}:{tools.program('meshauthctl').parent}"
    path = f"{programs}:{machine.SEARCH}"
    environment = clean_environment({"PATH": path, "KUBECONFIG": str(node.kubeconfig), "HOME": str(tmp_path)})
    shell = tour.Shell(node.enter("bash", folder=tools.REPO), environment)
    try:
        faults = tour.walk(steps, shell)
    finally:
        shell.process.stdin.close()
        shell.process.wait()
    assert not faults, "\n".join(faults)
