"""Images and containers of buildah in a folder of their own, gone with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
_SECONDS = 120


class Store:
    """Where buildah keeps things. No registry: nothing is pulled."""

    def __init__(self, folder: Path) -> None:
        self._options = ["--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]

    def __enter__(self) -> Store:
        assert os.geteuid() == 0, "buildah takes root here (chroot)"
        assert shutil.which("buildah"), "there is no buildah: run `make deps`"
        return self

    def __exit__(self, *_: object) -> None:
        self._run("rm", "--all")
        self._run("rmi", "--all", "--force")

    def build(self, name: str, reference: str, *options: str, seconds: int = _SECONDS) -> None:
        """images/Containerfile.NAME with the work tree as its context."""
        self._run(
            "build", "--isolation=chroot", "--pull-never", "--timestamp=1700000000", "--tag", reference, *options,
            "--file", str(REPO / "images" / f"Containerfile.{name}"), str(REPO), seconds=seconds,
        )  # fmt: skip

    def add_image(self, reference: str, root: Path) -> None:
        """An image of the files in a tar."""
        name = self._run("from", "scratch").stdout.strip()
        self._run("add", name, str(root), "/")
        self._run("config", "--env=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", name)
        self._run("commit", "--rm", name, reference)

    def save(self, reference: str, path: Path) -> Path:
        """The image as an archive in OCI's layout, its layers not compressed."""
        self._run("push", "--disable-compression", reference, f"oci-archive:{path}")
        return path

    @contextlib.contextmanager
    def container(self, reference: str) -> Iterator:
        """run(COMMAND..., code=0) in a container of the image, as the image's user."""
        name = self._run("from", "--pull-never", reference).stdout.strip()

        def run(*command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
            return self._run("run", "--isolation=chroot", name, "--", *command, code=code)

        yield run
        self._run("rm", name)

    def _run(self, *arguments: str, code: int = 0, seconds: int = _SECONDS) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(["buildah", *self._options, *arguments], capture_output=True, text=True, timeout=seconds)
        assert done.returncode == code, f"buildah {arguments[0]} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done
