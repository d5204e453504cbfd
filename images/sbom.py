"""What is in an image, as SPDX 2.3: our programs with what is compiled into them, and the packages of Debian whose files are in it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from debian import Package
from rootfs import Content, Image


def document(image: Image, content: Content, inside: Mapping[str, list[Package]], version: str, archive: bytes, created: str) -> bytes:
    """inside: packages compiled into a program of ours, by its name."""
    digest = hashlib.sha256(archive).hexdigest()
    title = f"nginx-mesh-auth-{image.name}"
    root = "SPDXRef-image"
    packages = [
        {
            **_package(root, title, version, "Apache-2.0"),
            "primaryPackagePurpose": "CONTAINER",
            "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
        },
    ]
    relations = [_relation("SPDXRef-DOCUMENT", "DESCRIBES", root)]
    parts = {}
    for name, compiled_in in inside.items():
        program = "SPDXRef-program" if name == image.program else "SPDXRef-module"
        purpose = "APPLICATION" if name == image.program else "LIBRARY"
        packages.append({**_package(program, name, version, "Apache-2.0"), "primaryPackagePurpose": purpose})
        relations.append(_relation(root, "CONTAINS", program))
        for package in compiled_in:
            entry = _debian(package, "SPDXRef-compiled-in-")
            parts[entry["SPDXID"]] = entry
            relations.append(_relation(program, "STATIC_LINK", entry["SPDXID"]))
    packages += parts.values()
    for package in content.packages:
        entry = _debian(package, "SPDXRef-deb-")
        packages.append(entry)
        relations.append(_relation(root, "CONTAINS", entry["SPDXID"]))
    made = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{title}-{version}",
        "documentNamespace": f"https://meshauth.dev/spdx/{title}-{version}-{digest}",
        "creationInfo": {"created": created, "creators": ["Tool: nginx-mesh-auth-images"]},
        "packages": packages,
        "relationships": relations,
    }
    return json.dumps(made, indent=1).encode() + b"\n"


def _package(identity: str, name: str, version: str, licence: str) -> dict[str, Any]:
    return {
        "SPDXID": identity,
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": licence,
        "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
    }


def _debian(package: Package, prefix: str) -> dict[str, Any]:
    """Its licence is in the image, under /usr/share/doc: Debian's files name several each."""
    identity = prefix + re.sub(r"[^A-Za-z0-9.-]", "-", package.name)
    purl = f"pkg:deb/debian/{quote(package.name)}@{quote(package.version)}?arch={package.architecture}&distro=debian-12"
    return {
        **_package(identity, package.name, package.version, "NOASSERTION"),
        "supplier": "Organization: Debian",
        "sourceInfo": f"built from the source package {package.source}",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    }


def _relation(of: str, kind: str, to: str) -> dict[str, str]:
    return {"spdxElementId": of, "relationshipType": kind, "relatedSpdxElement": to}
