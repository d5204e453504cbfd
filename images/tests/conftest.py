"""Images built once for all tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

IMAGES = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(IMAGES))


@pytest.fixture(scope="session")
def build():
    """build("-o", folder, ...): runs images/build.py; a failure is an AssertionError with what it said."""

    def run(*arguments: object, **options: object) -> str:
        command = [sys.executable, str(IMAGES / "build.py"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=170, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def folder(build, tmp_path_factory):
    """Where NAME.tar and NAME.spdx.json of each image are."""
    made = tmp_path_factory.mktemp("images")
    build("-o", made, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    return made
