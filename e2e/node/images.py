"""Our images: their archives, and the names by which the nodes of a cluster find them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from harness import tools

_FOLDER = tools.REPO / "images"
sys.path.insert(0, str(_FOLDER))
import archive  # noqa: E402
import build as own  # noqa: E402
import rootfs  # noqa: E402

_BOX = rootfs.Image("box", "box", "Small programs of the tests' pods")
NAMES = tuple(image.name for image in (*rootfs.IMAGES, _BOX))
VERSION = own.version()
# As in the archives. The one of a name is the same from run to run, so a node that has it needs no registry.
OWN = {image.name: own.reference(image) for image in (*rootfs.IMAGES, _BOX)}


def build(folder: Path) -> None:
    """The archives of this tree's programs but `box`."""
    command = [sys.executable, str(_FOLDER / "build.py"), "-o", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stdout + made.stderr


def write_box(folder: Path) -> Path:
    """The archive of one static program: the sandbox of every pod of our node, and what the tests' pods run."""
    content = rootfs.Tree()
    content.add("/usr/bin/box", tools.box().read_bytes(), 0o755)
    packed = archive.pack(_BOX, rootfs.Content(rootfs.Tree(), content, []), OWN["box"], "1970-01-01T00:00:00Z", 0)
    path = folder / "box.tar"
    path.write_bytes(packed)
    return path


def values(images: Mapping[str, str]) -> str:
    """The chart's values that say where `operator` and `sidecar` are."""

    def place(name: str) -> dict[str, str]:
        repository, tag = images[name].rsplit(":", 1)
        return {"repository": repository, "tag": tag}

    return yaml.safe_dump({"image": place("operator"), "injection": {"image": place("sidecar")}})
