#!/usr/bin/env python3
"""Spoils a room in one place at a time; the tests of the room must notice each.

    mutants.py BUILD ROOM [NUMBER...]     BUILD: a build folder with the room's tests in it; ROOM: core/policy, ...

The list is ROOM/mutants.py. Every mutant is one edit of one file: it is compiled as that file was, linked in front of the
room's library, and the tests run on it, those that the list's OPTIONS leave. A mutant that no test catches, or whose text is
no longer in the file, fails. The sources stay as they are.

A list with MODULE is of an nginx module: each of its mutants is linked into a module of its own, and names the tests of
pytest, in the folder TESTS, that must notice it. One with VARIABLE, too, is of files that are read: that variable of the
environment names the folder where the tests find them. All tests have to pass on what is not spoilt, which is seen first.
"""
from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
SECONDS = 300  # a mutant that never ends is noticed
NOTICED = 1  # pytest: some tests failed. Anything else but 0 says that they did not run


class Room:
    """What it takes to make the room's tests with another object in front of its library."""

    def __init__(self, build: Path, path: str) -> None:
        self.build, self.folder = build, REPO / path
        listed = runpy.run_path(str(self.folder / "mutants.py"))
        self.mutants: list[tuple[str, ...]] = listed["MUTANTS"]
        self.environment = {**os.environ, **listed.get("ENVIRONMENT", {})}
        self.options: list[str] = listed.get("OPTIONS", [])
        self.module, self.tests, self.variable = listed.get("MODULE"), listed.get("TESTS"), listed.get("VARIABLE")
        self.target = self.module or f"test/{listed.get('PROGRAM', path.replace('/', '_') + '_test')}"
        self.commands = {
            Path(entry["directory"], entry["file"]).resolve(): shlex.split(entry["command"])
            for entry in json.loads((build / "compile_commands.json").read_text())
        }
        self.link = self._link_command()

    def _link_command(self) -> list[str]:
        ninja = ["ninja", "-C", str(self.build), "-t", "commands", "-s", self.target]
        out = subprocess.run(ninja, check=True, capture_output=True, text=True)
        line = [line for line in out.stdout.splitlines() if self.target in line][-1]
        if "&&" in line:
            line = line.split("&&", 1)[1].rsplit("&&", 1)[0].strip()
        return shlex.split(line)

    def unit_of(self, source: Path) -> Path:
        """What the compiler was given: the file itself, or the one that includes it among others of the room."""
        if source in self.commands:
            return source
        for unit in self.commands:
            if unit.parent.name == "Unity" and f'#include "{source}"' in unit.read_text():
                return unit
        raise SystemExit(f"{source} is not in {self.build}/compile_commands.json")

    def compile(self, source: Path, spoilt: Path, made: Path) -> str:
        """Compiles it as the source is; the compiler's complaint, or ""."""
        unit = self.unit_of(source)
        command = list(self.commands[unit])
        if unit != source:
            whole = spoilt.with_name("unity.cc")
            whole.write_text(unit.read_text().replace(f'"{source}"', f'"{spoilt}"'))
            spoilt = whole
        command[command.index("-o") + 1] = str(made)
        command[command.index("-c") + 1] = str(spoilt)
        return "" if (done := self._run([*command, "-w"])).returncode == 0 else done.stderr[:2000]

    def link_with(self, source: Path, made: Path, program: Path) -> str:
        """Links it in the place of the source's object, or in front of the library that has it; the complaint, or ""."""
        command = self.commands[self.unit_of(source)]
        own = command[command.index("-o") + 1]
        link = [str(made) if part == own else part for part in self.link]
        link[link.index("-o") + 1] = str(program)
        if str(made) not in link:
            link.insert(link.index("-o"), str(made))
        return "" if (done := self._run(link)).returncode == 0 else done.stderr[:2000]

    def run(self, mutant: tuple[str, ...]) -> str:
        """What is wrong with the mutant, "" if the tests catch it."""
        name, old, new = mutant[:3]
        source = self.folder / name
        text = source.read_text()
        if text.count(old) != 1:
            return f"{name} has the text {text.count(old)} times: {old}"
        with tempfile.TemporaryDirectory() as folder:
            if self.variable:
                place = shutil.copytree(self.folder, Path(folder, "spoilt"))
                place.chmod(0o755)
                (place / name).write_text(text.replace(old, new))
                return self.tested(self.build / self.module, mutant[4], more={self.variable: str(place)})
            spoilt, made, program = (Path(folder, part) for part in (name, name + ".o", "test"))
            spoilt.write_text(text.replace(old, new))
            if complaint := self.compile(source, spoilt, made):
                return "does not compile: " + complaint
            if complaint := self.link_with(source, made, program):
                return "does not link: " + complaint
            return self.tested(program, mutant[4]) if self.module else self.doctested(program)

    def doctested(self, program: Path) -> str:
        code, _ = self._run_tests([str(program), "--abort-after=1", *self.options], self.environment)
        return "" if code != 0 else "no test catches it"

    def tested(self, module: Path, which: str, wanted: int = NOTICED, more: dict[str, str] | None = None) -> str:
        """Runs the tests `which` (a file, and options of pytest) on the module; "" if they end as is wanted."""
        file, *options = shlex.split(which)
        pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(REPO / self.tests / file), *options]
        environment = {**self.environment, **(more or {}), "MESH_AUTH_BUILD": str(self.build), "MESH_AUTH_MODULE": str(module)}
        code, out = self._run_tests(pytest, environment)
        if code == wanted or (code is None and wanted == NOTICED):
            return ""
        return "no test catches it" if code == 0 else f"the tests {which} do not run: {out[-2000:]}"

    def check_unspoilt(self, chosen: list[int]) -> None:
        if not self.module:
            code, out = self._run_tests([str(self.build / self.target), "--abort-after=1", *self.options], self.environment)
            if code != 0:
                raise SystemExit(f"{self.target} fails as it is: {out[-2000:]}")
            return
        for which in sorted({self.mutants[number][4] for number in chosen}):
            if wrong := self.tested(self.build / self.module, which, wanted=0):
                raise SystemExit(f"{which} fails on the module as it is: {wrong}")

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.build, capture_output=True, text=True)

    def _run_tests(self, command: list[str], environment: dict[str, str]) -> tuple[int | None, str]:
        """Its exit code (None: it did not end) and output. What it started and left behind ends with it."""
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        running = subprocess.Popen(command, env=environment, start_new_session=True, text=True, errors="replace", **pipe)
        try:
            out, _ = running.communicate(timeout=SECONDS)
            return running.returncode, out
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.communicate()


def main() -> int:
    room = Room(Path(sys.argv[1]).resolve(), sys.argv[2].rstrip("/"))
    chosen = [int(number) for number in sys.argv[3:]] or list(range(len(room.mutants)))
    room.check_unspoilt(chosen)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for number, wrong in zip(chosen, pool.map(lambda number: room.run(room.mutants[number]), chosen)):
            file, _, _, breaks = room.mutants[number][:4]
            print(f"{'FAIL' if wrong else 'ok  '} {number:2} {file}: {breaks}{': ' + wrong if wrong else ''}", flush=True)
            failed += bool(wrong)
    print(f"{len(chosen) - failed} of {len(chosen)} mutants of {sys.argv[2]} are caught")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
