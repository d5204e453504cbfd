"""meshauthctl against a cluster."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import tools
from harness.supervisor import clean_environment


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        return json.loads(self.out)

    def findings(self) -> dict[str, list[dict[str, Any]]]:
        """Of `check -o json`, by id."""
        found: dict[str, list[dict[str, Any]]] = {}
        for finding in self.json()["findings"]:
            found.setdefault(finding["id"], []).append(finding)
        return found


class Meshauthctl:
    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self.kubeconfig = kubeconfig
        self._home = home

    def __call__(self, command: str, *args: str, kubeconfig: Path | None = None) -> Answer:
        argv = [str(tools.program("meshauthctl")), command, f"--kubeconfig={kubeconfig or self.kubeconfig}", *args]
        env = clean_environment({"HOME": str(self._home)})
        done = subprocess.run(argv, capture_output=True, text=True, timeout=90, env=env)
        return Answer(done.returncode, done.stdout, done.stderr)

    def check(self, *args: str) -> Answer:
        return self("check", "-o", "json", *args)
