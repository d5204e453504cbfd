"""What is in each image: files by path, and the packages they come from. No shell, no package manager."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import compiled_in
import debian
from debian import Package, Stop

REPO = Path(__file__).resolve().parent.parent
USER = 65532
MODULE = "ngx_http_mesh_auth_module.so"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_TEMPLATES = "/usr/share/mesh-auth/templates/"
_MODULES = "/usr/lib/nginx/modules/"
_DOCS = "/usr/share/doc/"


@dataclass(frozen=True)
class Image:
    """A recipe."""

    name: str
    program: str  # of build/bin; the entry point
    title: str
    also: tuple[str, ...] = ()  # programs of Debian
    module: bool = False
    templates: bool = True


IMAGES = (
    Image("operator", "mesh-auth-operator", "The operator of nginx-mesh-auth"),
    Image("sidecar", "mesh-auth-agent", "The sidecar of nginx-mesh-auth: agent, nginx and its module", ("/usr/sbin/nginx", "/usr/sbin/nft"), True),
    Image("cli", "meshauthctl", "The command line of nginx-mesh-auth, and its development identity provider", templates=False),
)


@dataclass(frozen=True)
class Entry:
    """One file: content and mode, or the target of a link."""

    content: bytes = b""
    mode: int = 0o644
    link: str = ""


@dataclass
class Tree:
    """Files by absolute path."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def add(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self.entries[path] = Entry(content, mode)

    def link(self, path: str, target: str) -> None:
        self.entries[path] = Entry(link=target, mode=0o777)

    def size(self) -> int:
        return sum(len(entry.content) for entry in self.entries.values())

    def write(self, folder: Path) -> None:
        """Lays the files into an empty folder."""
        if folder.exists() and any(folder.iterdir()):
            raise Stop(f"{folder} is not empty; an image's files want a folder of their own")
        for path, entry in sorted(self.entries.items()):
            target = folder / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if entry.link:
                target.symlink_to(entry.link)
            else:
                target.write_bytes(entry.content)
                target.chmod(entry.mode)


@dataclass
class Content:
    """Both layers of an image, and whose files are in the first."""

    system: Tree
    own: Tree
    packages: list[Package]


def collect(image: Image) -> Content:
    own = _own(image)
    system = Tree()
    names: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        asked = [Path(path) for path in image.also]
        for path, entry in own.entries.items():
            if entry.mode == 0o755 or path.endswith(".so"):
                asked.append(Path(folder) / Path(path).name)
                asked[-1].write_bytes(entry.content)
                asked[-1].chmod(0o755)
        for path in sorted({library for program in asked for library in debian.libraries(program)}):
            _add_library(system, path, names)
    for path in image.also:
        system.add(path, debian.read(path), 0o755)
        names.add(debian.owner(path))
    names.add(_add_certificates(system))
    packages = sorted({debian.package(name) for name in names})
    _add_records(system, packages)
    _add_accounts(system)
    return Content(system, own, packages)


def _folders() -> tuple[Path, Path]:
    """Of programs and of modules."""
    programs = Path(os.environ.get("MESH_AUTH_BIN") or REPO / "build" / "bin").absolute()
    return programs, Path(os.environ.get("MESH_AUTH_MODULES") or programs.parent / "modules").absolute()


def compiled_into(image: Image, content: Content) -> dict[str, list[Package]]:
    """By the name of our program or module: packages whose code is inside it."""
    programs, modules = _folders()
    made = {image.program: programs} | ({MODULE: modules} if image.module else {})
    return {name: compiled_in.packages(folder.parent, f"{folder.name}/{name}", content.packages) for name, folder in made.items()}


def _own(image: Image) -> Tree:
    tree = Tree()
    bin_folder, modules = _folders()
    tree.add(f"/usr/bin/{image.program}", _stripped(bin_folder / image.program), 0o755)
    if image.module:
        tree.add(_MODULES + MODULE, _stripped(modules / MODULE))
    if image.templates:
        for template in sorted((REPO / "templates").glob("*.mustache")):
            tree.add(_TEMPLATES + template.name, template.read_bytes())
    tree.add(f"{_DOCS}nginx-mesh-auth/copyright", (REPO / "LICENSE").read_bytes())
    return tree


def _stripped(program: Path) -> bytes:
    if not program.is_file():
        raise Stop(f"{program} is not there: run `make build`, or set MESH_AUTH_BIN to the folder that has it")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / program.name
        done = subprocess.run(["strip", "--strip-unneeded", "-o", made, program], capture_output=True, text=True)
        if done.returncode:
            raise Stop(f"strip {program}: {done.stderr.strip()}")
        return made.read_bytes()


def _add_library(tree: Tree, path: str, names: set[str]) -> None:
    """A library under the name that programs know, and the file behind it."""
    real = debian.usr(os.path.realpath(path))
    tree.add(real, debian.read(real), 0o755 if "/ld-linux" in real else 0o644)
    names.add(debian.owner(real))
    known = debian.usr(path)
    if known != real:
        tree.link(known, real)


def _add_certificates(tree: Tree) -> str:
    """The roots that Debian's package brings; never those that somebody added to this machine."""
    package = "ca-certificates"
    roots = debian.files(package, "/usr/share/ca-certificates/mozilla/")
    if not roots:
        raise Stop(f"{package} has no roots here: apt-get install {package}")
    tree.add(CERTIFICATES, b"".join(debian.read(path).strip() + b"\n" for path in roots))
    tree.link("/usr/lib/ssl/cert.pem", CERTIFICATES)
    return package


def _add_records(tree: Tree, packages: list[Package]) -> None:
    """What scanners read, and what licences ask for."""
    for package in packages:
        tree.add(f"/var/lib/dpkg/status.d/{package.name}", package.status.encode())
        copyright = Path(_DOCS) / package.name / "copyright"
        if not copyright.is_file():
            raise Stop(f"{copyright} is not there, and an image may not go without it; reinstall {package.name}")
        tree.add(str(copyright), copyright.read_bytes())


def _add_accounts(tree: Tree) -> None:
    tree.add("/etc/passwd", f"root:x:0:0:root:/:/nonexistent\nnonroot:x:{USER}:{USER}:nonroot:/:/nonexistent\n".encode())
    tree.add("/etc/group", f"root:x:0:\nnonroot:x:{USER}:\n".encode())
    tree.add("/etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
    tree.add("/etc/os-release", debian.read("/usr/lib/os-release"))
    for name in ("bin", "sbin", "lib", "lib64"):
        tree.link(f"/{name}", f"usr/{name}")
