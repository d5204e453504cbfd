"""Where the tests' commands run: on a node of ours, or beside somebody else's cluster."""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.cluster import Cluster
from harness.supervisor import clean_environment
from node import machine


class Place(ABC):
    """`cluster` has the verbs of the other end-to-end tests; `folder` is for files of the tests."""

    folder: Path
    kubeconfig: Path
    cluster: Cluster

    @abstractmethod
    def enter(self, *command: str | os.PathLike[str], folder: Path | None = None) -> list[str]:
        """The command line that runs another one there, in `folder`, else in that of the place."""

    def run(self, *command: str | os.PathLike[str], env: Mapping[str, str] | None = None, timeout: float = 120) -> Any:
        """A command there; its exit code and output."""
        environment = clean_environment({"PATH": machine.SEARCH, "KUBECONFIG": str(self.kubeconfig), **(env or {})})
        return subprocess.run(self.enter(*command), capture_output=True, text=True, timeout=timeout, env=environment)
