"""The tour of the README, word for word: on the node of these tests, after all else was uninstalled."""

from __future__ import annotations

import sys

import pytest

from harness import tools
from harness.supervisor import clean_environment
from node import images as own
from node import machine

_PAGE = tools.REPO / "README.md"
_VALUES = "build/cluster/values.yaml"


@pytest.mark.timeout(400)
def test_every_answer_of_the_tour_is_the_one_that_stands_there(node, images, tmp_path):
    sys.path.insert(0, str(tools.REPO / "tools"))
    import tour

    values = tmp_path / "values.yaml"
    values.write_text(own.values(images))
    text = _PAGE.read_text().split("\n## The tour", 1)[1].split("\n## ", 1)[0]
    (cluster, _), *steps = tour.steps(text)
    assert cluster.startswith("make cluster\n") and _VALUES in steps[0][0], "the tour begins differently by now"
    todo = [(commands.replace(_VALUES, str(values)), wanted) for commands, wanted in steps]
    assert sum(wanted is not None for _, wanted in todo) >= 5
    programs = f"{tools.kube('kubectl').parent}:{tools.helm().parent}:{tools.program('meshauthctl').parent}"
    path = f"{programs}:{machine.SEARCH}"
    environment = clean_environment({"PATH": path, "KUBECONFIG": str(node.kubeconfig), "HOME": str(tmp_path)})
    command = node.namespaces.enter("bash")
    command[1] = f"--wd={tools.REPO}"
    shell = tour.Shell(command, environment)
    try:
        faults = tour.walk(todo, shell)
    finally:
        shell.process.stdin.close()
        shell.process.wait()
    assert not faults, "\n".join(faults)
