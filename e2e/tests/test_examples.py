"""Each file under examples/ but gitops/ is taken by the real API server as it stands."""

from __future__ import annotations

import pytest
import yaml

from harness import tools

pytestmark = pytest.mark.plane

_FOLDER = tools.REPO / "examples"
_FILES = sorted(file for file in _FOLDER.rglob("*.yaml") if file.relative_to(_FOLDER).parts[0] != "gitops")  # test_gitops.py


def _documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def test_there_are_examples():
    assert _FILES


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(_FOLDER)))
def test_an_example_applies(cluster, crds, file):
    documents = _documents(file.read_text())
    for namespace in {document["metadata"].get("namespace") for document in documents} - {None}:
        cluster.namespace(namespace)
    done = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(file))
    assert len(done.splitlines()) == len(documents)
