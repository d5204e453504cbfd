"""Packages of Debian whose code is inside our programs: headers that their objects include, archives that they are linked with."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path

import debian
from debian import Package, Stop

# The kernel's numbers and structures: nothing of the kernel runs in a program, and whoever looks for its faults finds hundreds.
_NO_CODE = {"linux-libc-dev"}


def packages(build: Path, target: str, beside: Iterable[Package]) -> list[Package]:
    """Those of one program of a build by ninja, whose database says what each of its objects was made of. beside: the packages of
    shared libraries in its image, which are no part of it."""
    sources = {package.source for package in beside}
    found = {debian.package(debian.owner(path)) for path in _taken_in(build, target)}
    return sorted(p for p in found if p.name not in _NO_CODE and not (p.source in sources and debian.is_interface(p.name)))


def _taken_in(build: Path, target: str) -> set[str]:
    """Files from outside of our tree that became part of the target: headers, and static archives."""
    if not (build / "build.ninja").is_file():
        raise Stop(f"{build} has no build.ninja, which knows what {target} was made of: build with `make build`")
    inputs = debian.run("ninja", "-C", str(build), "-t", "inputs", target).splitlines()
    objects, known = [path for path in inputs if path.endswith(".o")], dict(_database(build))
    if missing := [path for path in objects if path not in known] or ([] if objects else [target]):
        raise Stop(f"ninja does not know what {missing[0]} was made of: run `make build` again")
    taken, left = {path for path in inputs if path.startswith("/usr/") and path.endswith(".a")}, objects
    while left:  # what a precompiled header was made of is in its own entry
        headers = known.pop(left.pop(), ())
        left += [path.removeprefix(f"{build}/") for path in headers]
        taken.update(path for path in headers if path.startswith("/usr/"))
    return taken


@functools.cache
def _database(build: Path) -> dict[str, tuple[str, ...]]:
    """Object -> what it was made of, as the compiler said."""
    entries = debian.run("ninja", "-C", str(build), "-t", "deps").split("\n\n")
    read = (re.match(r"(\S+): #deps \d+, .*\n((?:    .*\n?)*)", entry) for entry in entries)
    return {match[1]: tuple(line.strip() for line in match[2].splitlines()) for match in read if match}
