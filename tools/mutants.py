#!/usr/bin/env python3
"""Spoils a room in one place at a time; the tests of the room must notice each.

    mutants.py BUILD ROOM [NUMBER...]     BUILD: a build folder with the room's tests in it; ROOM: core/policy, ...

The list is ROOM/mutants.py. Every mutant is one edit of one file: it is compiled as that file was, linked in front of the
room's library, and the tests run on it. A mutant that no test catches, or whose text is no longer in the file, fails.
The sources stay as they are.
"""
from __future__ import annotations

import concurrent.futures
import json
import os
import runpy
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent


class Room:
    """What it takes to make the room's tests with another object in front of its library."""

    def __init__(self, build: Path, path: str) -> None:
        self.build, self.folder = build, REPO / path
        self.test = path.replace("/", "_") + "_test"
        listed = runpy.run_path(str(self.folder / "mutants.py"))
        self.mutants: list[tuple[str, str, str, str]] = listed["MUTANTS"]
        self.environment = {**os.environ, **listed.get("ENVIRONMENT", {})}
        self.commands = {
            Path(entry["directory"], entry["file"]).resolve(): shlex.split(entry["command"])
            for entry in json.loads((build / "compile_commands.json").read_text())
        }
        self.link = self._link_command()

    def _link_command(self) -> list[str]:
        ninja = ["ninja", "-C", str(self.build), "-t", "commands", "-s", f"test/{self.test}"]
        out = subprocess.run(ninja, check=True, capture_output=True, text=True)
        line = [line for line in out.stdout.splitlines() if self.test in line][-1]
        if "&&" in line:
            line = line.split("&&", 1)[1].rsplit("&&", 1)[0].strip()
        return shlex.split(line)

    def compile(self, source: Path, spoilt: Path, made: Path) -> str:
        """Compiles it as the source is; the compiler's complaint, or ""."""
        if source not in self.commands:
            raise SystemExit(f"{source} is not in {self.build}/compile_commands.json")
        command = list(self.commands[source])
        command[command.index("-o") + 1] = str(made)
        command[command.index("-c") + 1] = str(spoilt)
        return "" if (done := self._run([*command, "-w"])).returncode == 0 else done.stderr[:2000]

    def run(self, mutant: tuple[str, str, str, str]) -> str:
        """What is wrong with the mutant, "" if the tests catch it."""
        name, old, new, _ = mutant
        source = self.folder / name
        text = source.read_text()
        if text.count(old) != 1:
            return f"{name} has the text {text.count(old)} times: {old}"
        with tempfile.TemporaryDirectory() as folder:
            spoilt, made, program = (Path(folder, part) for part in (name, name + ".o", "test"))
            spoilt.write_text(text.replace(old, new))
            if complaint := self.compile(source, spoilt, made):
                return "does not compile: " + complaint
            link = list(self.link)
            link[link.index("-o") + 1] = str(program)
            link.insert(link.index("-o"), str(made))
            if (linked := self._run(link)).returncode:
                return "does not link: " + linked.stderr[:2000]
            try:
                tested = subprocess.run([program, "--abort-after=1"], capture_output=True, timeout=300, env=self.environment)
            except subprocess.TimeoutExpired:
                return ""  # a mutant that never ends is noticed
            return "" if tested.returncode else "no test catches it"

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.build, capture_output=True, text=True)


def main() -> int:
    room = Room(Path(sys.argv[1]).resolve(), sys.argv[2].rstrip("/"))
    chosen = [int(number) for number in sys.argv[3:]] or range(len(room.mutants))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for number, wrong in zip(chosen, pool.map(lambda number: room.run(room.mutants[number]), chosen)):
            file, _, _, breaks = room.mutants[number]
            print(f"{'FAIL' if wrong else 'ok  '} {number:2} {file}: {breaks}{': ' + wrong if wrong else ''}", flush=True)
            failed += bool(wrong)
    print(f"{len(chosen) - failed} of {len(chosen)} mutants of {sys.argv[2]} are caught")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
