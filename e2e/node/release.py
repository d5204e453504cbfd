"""The chart as a user installs it on the node: helm install, upgrade, rollback, uninstall."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness import chart, tools
from node.images import values as image_values
from node.place import Place

_SECONDS = 120


class Release:
    """One release of one chart."""

    def __init__(self, node: Place) -> None:
        self.node = node
        self._installed: tuple[Mapping[str, str], tuple[str, ...]] = ({}, ())

    def install(self, images: Mapping[str, str], *values: str) -> None:
        """Where only locked-down pods may run. images: the names of `operator` and `sidecar`; values: as for --set."""
        self._installed = (images, values)
        self.node.cluster.namespace(chart.NAMESPACE, {"pod-security.kubernetes.io/enforce": "restricted"})
        self._helm("install", chart.RELEASE, chart.FOLDER, *self._values(images), *_sets(values))

    def upgrade(self, folder: Path, images: Mapping[str, str], *values: str) -> int:
        """To the chart in the folder; the release's new revision."""
        self._helm("upgrade", chart.RELEASE, folder, *self._values(images), *_sets(values))
        return self.revision()

    @contextlib.contextmanager
    def with_values(self, *values: str) -> Iterator[None]:
        """The same chart with further values, and then as it was installed."""
        images, installed = self._installed
        self.upgrade(chart.FOLDER, images, *installed, *values)
        try:
            yield
        finally:
            self.upgrade(chart.FOLDER, images, *installed)

    def rollback(self, revision: int) -> None:
        self._helm("rollback", chart.RELEASE, str(revision))

    def uninstall(self) -> str:
        """What helm says."""
        return self._helm("uninstall", chart.RELEASE)

    def test(self) -> tuple[int, str]:
        """helm test: its exit code and what it said."""
        command = [tools.helm(), "test", chart.RELEASE, "--namespace", chart.NAMESPACE, f"--timeout={_SECONDS}s"]
        done = self.node.run(*(str(word) for word in command), env={"HOME": str(self.node.folder)}, timeout=_SECONDS + 30)
        return done.returncode, done.stdout + done.stderr

    def revision(self) -> int:
        """Of Secrets helm keeps one for each revision."""
        names = [s["metadata"]["name"] for s in self.node.cluster.list("secret", chart.NAMESPACE, "?labelSelector=owner=helm")]
        return max(int(name.rsplit(".v", 1)[1]) for name in names)

    def _values(self, images: Mapping[str, str]) -> list[str]:
        file = self.node.folder / "values.yaml"
        file.write_text(image_values(images))
        return ["--values", str(file)]

    def _helm(self, verb: str, *arguments: object) -> str:
        command = [tools.helm(), verb, *arguments, "--namespace", chart.NAMESPACE, "--wait", f"--timeout={_SECONDS}s"]
        done = self.node.run(*(str(word) for word in command), env={"HOME": str(self.node.folder)}, timeout=_SECONDS + 30)
        assert done.returncode == 0, f"helm {verb} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


def _sets(values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in ("--set", value)]
