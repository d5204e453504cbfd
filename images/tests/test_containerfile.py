"""Containerfiles, by a container engine: what buildah makes of them is the image that our own archive holds.

Without a registry there is no debian:bookworm, so the first stage is replaced by what its last command lays into /rootfs here;
`tools/soak.sh containerfile` runs that stage too, in a Debian of its own.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile

import pytest
from containers import Store

NAMES = ("operator", "sidecar", "cli")
_ANY_OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("containers")) as made:
        yield made


@pytest.fixture(scope="module", params=NAMES)
def built(request, store, build, tmp_path_factory):
    """(name, the reference of the image that buildah made of Containerfile.NAME)."""
    stage = tmp_path_factory.mktemp("stage")
    build(request.param, "--rootfs", stage / "rootfs")
    reference = f"localhost/by-buildah/{request.param}:1"
    store.build(request.param, reference, "--build-context", f"build={stage}")
    return request.param, reference


def _image(path):
    """(configuration, layers) of an archive with one image."""
    with tarfile.open(path) as tar:

        def read(name):
            return tar.extractfile(name).read()

        def blob(descriptor):
            return read("blobs/sha256/" + descriptor["digest"].split(":")[1])

        manifest = json.loads(blob(json.loads(read("index.json"))["manifests"][0]))
        assert manifest.get("mediaType", _ANY_OCI) == _ANY_OCI
        return json.loads(blob(manifest["config"]))["config"], [blob(each) for each in manifest["layers"]]


def _files(layers):
    """path -> (kind, mode, owner, target of a link, digest of the content), of all layers; folders are where their files are."""
    found = {}
    for data in layers:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                if not member.isdir():
                    content = tar.extractfile(member).read() if member.isfile() else b""
                    digest = hashlib.sha256(content).hexdigest()
                    found[member.name] = (member.type, member.mode & 0o7777, member.uid, member.gid, member.linkname, digest)
    return found


def test_it_holds_the_same_files_and_starts_the_same_way(built, store, folder, tmp_path):
    name, reference = built
    config, layers = _image(store.save(reference, tmp_path / "image.tar"))
    wanted, wanted_layers = _image(folder / f"{name}.tar")
    version = config["Labels"].pop("io.buildah.version")
    assert version and config == wanted
    files, wanted_files = _files(layers), _files(wanted_layers)
    assert files == wanted_files, sorted(files.items() ^ wanted_files.items())[:5]


def test_its_program_runs_in_it_as_nobody_and_no_shell_does(built, store):
    name, reference = built
    program = {"operator": "mesh-auth-operator", "sidecar": "mesh-auth-agent", "cli": "meshauthctl"}[name]
    with store.container(reference) as run:
        assert re.search(r"\b\d+\.\d+\.\d+$", run(f"/usr/bin/{program}", "--version").stdout)
        if name == "sidecar":
            assert "1.22" in run("/usr/sbin/nginx", "-v").stderr
        for shell in ("/bin/sh", "/usr/bin/bash", "/bin/busybox"):
            assert "no such file or directory" in run(shell, "-c", "true", code=1).stderr


def test_an_image_of_other_files_is_told_apart_so_that_the_tests_above_can_fail(store, build, folder, tmp_path):
    build("cli", "--rootfs", tmp_path / "stage/rootfs")
    (tmp_path / "stage/rootfs/usr/bin/sh").write_bytes(b"#!")
    store.build("cli", "localhost/by-buildah/other:1", "--build-context", f"build={tmp_path / 'stage'}")
    _, layers = _image(store.save("localhost/by-buildah/other:1", tmp_path / "image.tar"))
    assert set(_files(layers)) - set(_files(_image(folder / "cli.tar")[1])) == {"usr/bin/sh"}


def test_nothing_is_asked_of_a_registry(store):
    with pytest.raises(AssertionError, match=r"debian:bookworm.*(image not known|no such image|not found)"):
        store.build("cli", "localhost/by-buildah/none:1")

