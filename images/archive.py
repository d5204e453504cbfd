"""An image as one tar file, that Docker's `load` and containerd's `import` both take; the same bytes for the same content."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

import debian
from rootfs import CERTIFICATES, USER, Content, Entry, Image, Tree

_MEDIA = "application/vnd.oci.image"


def layer(tree: Tree, epoch: int) -> bytes:
    """The tree as a tar: sorted, folders before what they hold, everything root's and of one time."""
    folders = {str(parent) for path in tree.entries for parent in PurePosixPath(path).parents} - {"/"}
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folders | tree.entries.keys(), key=PurePosixPath):
            _add(tar, path.lstrip("/"), tree.entries.get(path), epoch)
    return sink.getvalue()


def _add(tar: tarfile.TarFile, name: str, entry: Entry | None, epoch: int) -> None:
    info = tarfile.TarInfo(name)
    info.mtime = epoch
    if entry is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif entry.link:
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, entry.mode, entry.link
    else:
        info.mode, info.size = entry.mode, len(entry.content)
    tar.addfile(info, io.BytesIO(entry.content) if entry and not entry.link else None)


def settings(image: Image) -> dict[str, Any]:
    """What a container of it starts with."""
    return {
        "User": f"{USER}:{USER}",
        "Entrypoint": [f"/usr/bin/{image.program}"],
        "Env": ["PATH=/usr/bin:/usr/sbin", f"SSL_CERT_FILE={CERTIFICATES}"],
        "WorkingDir": "/",
        "Labels": {"org.opencontainers.image.title": image.title, "org.opencontainers.image.licenses": "Apache-2.0"},
    }


def pack(image: Image, content: Content, reference: str, created: str, epoch: int) -> bytes:
    """The archive: an OCI layout, with the index that Docker reads beside it."""
    blobs: dict[str, bytes] = {}

    def blob(data: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"{_MEDIA}.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    def as_json(value: Any) -> bytes:
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    layers = [blob(layer(tree, epoch), "layer.v1.tar") for tree in (content.system, content.own)]
    config = blob(
        as_json(
            {
                "architecture": debian.run("dpkg", "--print-architecture").strip(),
                "os": "linux",
                "created": created,
                "config": settings(image),
                "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in layers]},
                "history": [{"created": created, "created_by": what} for what in ("packages of Debian 12", "nginx-mesh-auth")],
            }
        ),
        "config.v1+json",
    )
    manifest = blob(
        as_json({"schemaVersion": 2, "mediaType": f"{_MEDIA}.manifest.v1+json", "config": config, "layers": layers}),
        "manifest.v1+json",
    )
    manifest["annotations"] = {
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference.rsplit(":", 1)[1],
    }
    path = lambda descriptor: "blobs/sha256/" + descriptor["digest"].split(":")[1]  # noqa: E731
    docker = [{"Config": path(config), "RepoTags": [reference], "Layers": [path(each) for each in layers]}]
    tree = Tree()
    for name, data in {
        **blobs,
        "index.json": as_json({"schemaVersion": 2, "mediaType": f"{_MEDIA}.index.v1+json", "manifests": [manifest]}),
        "manifest.json": as_json(docker),
        "oci-layout": as_json({"imageLayoutVersion": "1.0.0"}),
    }.items():
        tree.add(f"/{name}", data)
    return layer(tree, epoch)


def write(path: Path, data: bytes) -> None:
    """All of it or nothing, under the name."""
    staging = path.with_name(f".{path.name}.new")
    staging.write_bytes(data)
    staging.rename(path)
