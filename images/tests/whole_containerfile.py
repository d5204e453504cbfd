"""A Containerfile from its first line: in a Debian made for it, which then installs and compiles what `debian:bookworm` would.

No part of `make test` (minutes, and hundreds of megabytes from Debian's mirror): `tools/soak.sh containerfile`. One of the three, since
the others are a subset of it: test_images.py sees that they differ in nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from containers import Store

_HOUR = 3600
_CCACHE = Path(os.environ.get("CCACHE_DIR") or Path.home() / ".cache/ccache")


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "containers") as made:
        yield made


@pytest.fixture
def debian(store, tmp_path):
    """docker.io/library/debian:bookworm, as far as an image made of Debian's own packages is that one."""
    root = tmp_path / "debian.tar"
    made = subprocess.run(["mmdebstrap", "--variant=minbase", "bookworm", root], capture_output=True, text=True, timeout=_HOUR)
    assert made.returncode == 0, made.stderr[-2000:]
    store.add_image("docker.io/library/debian:bookworm", root)


@pytest.mark.timeout(_HOUR)
def test_a_plain_debian_and_the_source_are_all_that_it_takes(store, debian, folder, tmp_path):
    _CCACHE.mkdir(parents=True, exist_ok=True)
    store.build("sidecar", "localhost/whole/sidecar:1", "--volume", f"{_CCACHE}:/root/.cache/ccache", seconds=_HOUR)
    with store.container("localhost/whole/sidecar:1") as run:
        assert run("/usr/bin/mesh-auth-agent", "--version").stdout
        assert "1.22" in run("/usr/sbin/nginx", "-v").stderr
    ours = _paths(folder / "sidecar.tar")
    assert _paths(store.save("localhost/whole/sidecar:1", tmp_path / "image.tar")) == ours


def _paths(archive):
    """The files of an image, by name alone: a newer Debian has newer ones."""
    found = set()
    with tarfile.open(archive) as tar:

        def blob(descriptor):
            return tar.extractfile("blobs/sha256/" + descriptor["digest"].split(":")[1])

        manifest = json.load(blob(json.load(tar.extractfile("index.json"))["manifests"][0]))
        for each in manifest["layers"]:
            with tarfile.open(fileobj=blob(each)) as layer:
                found |= {member.name for member in layer if not member.isdir()}
    return found
