#!/usr/bin/env python3
"""Runs clang-tidy over our sources, skipping those that passed before with the same text and checks.

    tools/tidy.py [--build DIR] [--jobs N] [FILE...]

A file's key is the digest of its preprocessed text (with comments, since NOLINT is one), its compiler command, its checks
and the version of clang-tidy. The keys that passed are kept outside the tree: $MESH_AUTH_CACHE, else
$XDG_CACHE_HOME/nginx-mesh-auth, else ~/.cache/nginx-mesh-auth.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
# Tests run under the sanitizers, which know what the analyzer guesses; they may copy, and draw the same numbers each time.
NOT_IN_TESTS = "-clang-analyzer-*,-performance-*,-cert-*"
OURS = ("core/", "operator/", "sidecar/", "cli/", "fuzz/", "bench/")
TIDY = os.environ.get("CLANG_TIDY", "clang-tidy-16")


def cache_folder() -> Path:
    base = os.environ.get("MESH_AUTH_CACHE")
    if not base:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nginx-mesh-auth"
    folder = Path(base) / "tidy"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclasses.dataclass(frozen=True)
class Unit:
    file: Path
    directory: Path
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        return str(self.file.relative_to(REPO))


def is_ours(file: Path, build: Path) -> bool:
    """Files of a room that are compiled together are looked at together."""
    if file.is_relative_to(build):
        return file.parent.name == "Unity"
    return file.is_relative_to(REPO) and str(file.relative_to(REPO)).startswith(OURS)


def is_test(file: Path) -> bool:
    return file.name.endswith("_test.cc") or bool({"testing", "tests"} & set(file.parts)) or "_test.dir/" in str(file)


def checks_of(file: Path) -> list[str]:
    return [f"--checks={NOT_IN_TESTS}"] if is_test(file) else []


def units(build: Path, only: list[Path]) -> list[Unit]:
    """One per file; the first command where a file is compiled twice."""
    found: dict[Path, Unit] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = Path(entry["file"])
        if is_ours(file, build) and (not only or file in only):
            found.setdefault(file, Unit(file, Path(entry["directory"]), tuple(shlex.split(entry["command"]))))
    return sorted(found.values(), key=lambda unit: (is_test(unit.file), unit.file))


def preprocessed(unit: Unit) -> bytes:
    command = list(unit.command)
    while command[0].endswith(("ccache", "cmake", "-E", "env")) or "=" in command[0]:
        command.pop(0)  # the launcher
    output = command.index("-o")
    del command[output : output + 2]
    command.remove("-c")
    return subprocess.run([*command, "-E", "-C"], cwd=unit.directory, check=True, capture_output=True).stdout


def run(unit: Unit, build: Path, salt: bytes, cache: Path) -> tuple[Unit, str, float]:
    """The unit, what clang-tidy said ("" if it passed), and seconds (0 if it passed before)."""
    start = time.monotonic()
    checks = checks_of(unit.file)
    try:
        text = shlex.join([*checks, *unit.command]).encode() + preprocessed(unit)
        key = hashlib.sha256(salt + text.replace(str(REPO).encode(), b"")).hexdigest()  # the same in every clone
    except subprocess.CalledProcessError as failure:
        return unit, failure.stderr.decode(errors="replace"), time.monotonic() - start
    if (cache / key).exists():
        return unit, "", 0.0
    command = [TIDY, "-p", str(build), "--quiet", *checks, "--extra-arg=-Wno-error", "--extra-arg=-Wno-unknown-warning-option"]
    done = subprocess.run([*command, str(unit.file)], capture_output=True, text=True, errors="replace")
    if done.returncode == 0:
        (cache / key).touch()
        return unit, "", time.monotonic() - start
    return unit, done.stdout + (done.stderr if "error:" not in done.stdout else ""), time.monotonic() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, default=REPO / "build" / "tidy")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("files", type=Path, nargs="*")
    options = parser.parse_args()
    todo = units(options.build.resolve(), [file.resolve() for file in options.files])
    if not todo:
        print("tidy: no file of ours in compile_commands.json", file=sys.stderr)
        return 2
    version = subprocess.run([TIDY, "--version"], check=True, capture_output=True).stdout
    salt = version + (REPO / ".clang-tidy").read_bytes()
    cache = cache_folder()
    failed, seconds = 0, {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        pending = [pool.submit(run, unit, options.build.resolve(), salt, cache) for unit in todo]
        for done in concurrent.futures.as_completed(pending):
            unit, said, took = done.result()
            seconds[unit.name] = took
            if said:
                failed += 1
                print(f"--- {unit.name}\n{said}", flush=True)
    looked = {name: took for name, took in seconds.items() if took}
    for name in sorted(looked, key=looked.get, reverse=True)[:5]:
        print(f"tidy: {looked[name]:5.1f} s  {name}")
    print(f"tidy: {len(todo)} files, {len(todo) - len(looked)} unchanged since they passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
