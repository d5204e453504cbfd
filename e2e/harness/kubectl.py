"""Real kubectl with a kubeconfig of ours, never the caller's."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness.supervisor import clean_environment


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


class Kubectl:
    def __init__(self, program: Path, kubeconfig: Path, home: Path, context: str | None = None) -> None:
        self.program = program
        self.kubeconfig = kubeconfig
        self._home = home
        self._context = ["--context", context] if context else []

    def argv(self, *args: str) -> list[str]:
        return [str(self.program), f"--kubeconfig={self.kubeconfig}", *self._context, *args]

    def environment(self) -> dict[str, str]:
        return clean_environment({"HOME": str(self._home), "KUBECTL_KUBERC": "false"})

    def run(self, *args: str, stdin: str | None = None, timeout: float = 60.0) -> Outcome:
        """Whatever it says; the caller judges."""
        done = subprocess.run(
            self.argv(*args), input=stdin, capture_output=True, text=True, timeout=timeout, env=self.environment()
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def __call__(self, *args: str, stdin: str | None = None, timeout: float = 60.0) -> str:
        """Its output; a failure is an AssertionError with what it said."""
        outcome = self.run(*args, stdin=stdin, timeout=timeout)
        assert outcome.code == 0, f"kubectl {' '.join(args)} ended with {outcome.code}:\n{outcome.err or outcome.out}"
        return outcome.out


def write_kubeconfig(path: Path, server: str, authority: Path, token: str, name: str = "mesh-auth") -> Path:
    """A kubeconfig for one user with a bearer token, readable by its owner alone. Self-contained."""
    ca = base64.b64encode(authority.read_bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return write_private(path, yaml.safe_dump(config, sort_keys=False))


def write_private(path: Path, text: str) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as sink:
        sink.write(text)
    return path


def as_yaml(manifest: str | dict | Sequence[dict]) -> str:
    """A manifest as kubectl takes it: text is passed on as it is."""
    if isinstance(manifest, str):
        return manifest
    documents = [manifest] if isinstance(manifest, dict) else manifest
    return yaml.safe_dump_all(documents, sort_keys=False)
