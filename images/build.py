#!/usr/bin/env python3
"""Builds our container images without a container engine: images/build.py [operator|sidecar|cli]... (make images).

    -o DIR        where NAME.tar and NAME.spdx.json go (default build/images)
    --rootfs DIR  the files of the one image named, laid into a folder instead: what a Containerfile copies
    --reference   prints the name of each image, as in the archives

The same programs and packages give the same bytes. Times in them are SOURCE_DATE_EPOCH, else those of the last commit.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import re
import subprocess
import sys
from pathlib import Path

import archive
import sbom
from debian import Stop
from rootfs import IMAGES, REPO, Content, Image, collect, compiled_into


def version() -> str:
    found = re.search(r"^appVersion: *\"?([^\s\"]+)", (REPO / "charts/mesh-auth/Chart.yaml").read_text(), re.MULTILINE)
    if not found:
        raise Stop("charts/mesh-auth/Chart.yaml has no appVersion")
    return found[1]


def reference(image: Image) -> str:
    return f"localhost/nginx-mesh-auth/{image.name}:{version()}"


def epoch() -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is not None:
        if not re.fullmatch(r"[0-9]{1,10}", given):
            raise Stop(f"SOURCE_DATE_EPOCH is {given!r}; seconds since 1970 would be right")
        return int(given)
    done = subprocess.run(["git", "-C", REPO, "log", "-1", "--format=%ct"], capture_output=True, text=True)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else 0


def build(image: Image, folder: Path) -> None:
    content = collect(image)
    time = epoch()
    created = dt.datetime.fromtimestamp(time, dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = archive.pack(image, content, reference(image), created, time)
    folder.mkdir(parents=True, exist_ok=True)
    archive.write(folder / f"{image.name}.tar", data)
    inside = compiled_into(image, content)
    archive.write(folder / f"{image.name}.spdx.json", sbom.document(image, content, inside, version(), data, created))
    print(f"{folder / image.name}.tar  {reference(image)}  {len(data) / 1e6:.1f} MB, {len(content.packages)} packages")


def lay(content: Content, folder: Path) -> None:
    content.system.entries.update(content.own.entries)
    content.system.write(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = {image.name: image for image in IMAGES}
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=", ".join(known))
    parser.add_argument("-o", dest="folder", type=Path, default=REPO / "build" / "images")
    parser.add_argument("--rootfs", type=Path)
    parser.add_argument("--reference", action="store_true")
    options = parser.parse_args()
    if unknown := [name for name in options.images if name not in known]:
        parser.error(f"there is no image {', '.join(unknown)}; there are {', '.join(known)}")
    wanted = [known[name] for name in options.images] or list(IMAGES)
    if options.rootfs and len(options.images) != 1:
        parser.error("--rootfs is for exactly one image")
    try:
        for image in wanted:
            if options.reference:
                print(reference(image))
            elif options.rootfs:
                lay(collect(image), options.rootfs)
            else:
                build(image, options.folder)
    except (Stop, OSError) as error:
        sys.exit(f"images: {error}")


if __name__ == "__main__":
    main()
