"""Files of Debian's packages as this machine has them: whose they are, that they are what their package brought, and what they need."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_INFO = Path("/var/lib/dpkg/info")
_MERGED = ("/bin/", "/sbin/", "/lib/", "/lib64/")  # each a link into /usr since the merge of both


class Stop(Exception):
    """What keeps an image from being built, in words for the person who runs it."""


@dataclass(frozen=True, order=True)
class Package:
    name: str
    version: str
    architecture: str
    source: str
    status: str  # its paragraph in dpkg's status file


def run(*command: str) -> str:
    """Its output. A failure stops, with what it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, timeout=120)
    except FileNotFoundError:
        raise Stop(f"there is no program {command[0]}: images are built on Debian 12, after `make deps`") from None
    if done.returncode:
        raise Stop(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def usr(path: str) -> str:
    """The path as it is since /usr was merged: /lib/x is /usr/lib/x."""
    return "/usr" + path if path.startswith(_MERGED) else path


def libraries(program: Path) -> list[str]:
    """Every shared library that the loader takes for it, and the loader, as paths."""
    found = []
    for line in run("ldd", str(program)).splitlines():
        if "not found" in line:
            raise Stop(f"{program} needs {line.split()[0]}, which this machine has not got: run `make deps`")
        if match := re.search(r"(/\S+) \(0x", line):
            found.append(match[1])
    if not found:
        raise Stop(f"{program} names no shared library: a program built by `make build` would")
    return found


@functools.cache
def _owners() -> dict[str, str]:
    """path -> package, for every path that exactly one package brought. One reading: dpkg-query reads all of it for each question."""
    found: dict[str, str] = {}
    for file in sorted(_INFO.glob("*.list")):
        for path in file.read_text().splitlines():
            path = usr(path)
            found[path] = "" if path in found else file.stem
    return found


def owner(path: str) -> str:
    """The package that brought the file, as dpkg names it."""
    name = _owners().get(usr(path))
    if not name:
        raise Stop(f"{path} belongs to no package of Debian, or to several; an image holds nothing else beside our programs")
    return name


@functools.cache
def package(name: str) -> Package:
    status = run("dpkg-query", "-s", name)
    fields = dict(re.findall(r"^([A-Z][A-Za-z-]*): (.*)$", status, re.MULTILINE))
    source = fields.get("Source", fields["Package"]).split()[0]
    return Package(fields["Package"], fields["Version"], fields["Architecture"], source, status)


@functools.cache
def is_interface(name: str) -> bool:
    """Does the package bring the link by which programs are linked with a shared library (lib*.so)?"""
    return any(re.search(r"/lib[^/]*\.so$", path) for path, package in _owners().items() if package.split(":")[0] == name)


@functools.cache
def _sums(name: str) -> dict[str, str]:
    """path -> MD5 of the files that the package brought."""
    for file in (_INFO / f"{name}.md5sums", _INFO / f"{name.split(':')[0]}.md5sums"):
        if file.exists():
            lines = (line.split(maxsplit=1) for line in file.read_text().splitlines())
            return {usr("/" + path): digest for digest, path in lines}
    raise Stop(f"dpkg has no list of sums for {name} in {_INFO}")


def read(path: str) -> bytes:
    """A file of a package, which must be as the package brought it."""
    name = owner(path)
    content = Path(path).read_bytes()
    wanted = _sums(name).get(usr(path))
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if wanted != found:
        raise Stop(f"{path} is not as {name} brought it: its MD5 is {found}, dpkg says {wanted}; reinstall {name}")
    return content


def files(name: str, under: str) -> list[str]:
    """The package's files below a folder, sorted."""
    return sorted(path for path in run("dpkg-query", "-L", name).split("\n") if path.startswith(under) and Path(path).is_file())
