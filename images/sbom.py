"""What is in an image, as SPDX 2.3: our program, and the packages of Debian whose files are in it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any
from urllib.parse import quote

from debian import Package
from rootfs import Content, Image


def document(image: Image, content: Content, version: str, archive: bytes, created: str) -> bytes:
    digest = hashlib.sha256(archive).hexdigest()
    name = f"nginx-mesh-auth-{image.name}"
    root, program = "SPDXRef-image", "SPDXRef-program"
    packages = [
        {
            **_package(root, name, version, "Apache-2.0"),
            "primaryPackagePurpose": "CONTAINER",
            "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
        },
        {**_package(program, image.program, version, "Apache-2.0"), "primaryPackagePurpose": "APPLICATION"},
    ]
    relations = [_relation("SPDXRef-DOCUMENT", "DESCRIBES", root), _relation(root, "CONTAINS", program)]
    for package in content.packages:
        entry = _debian(package)
        packages.append(entry)
        relations.append(_relation(root, "CONTAINS", entry["SPDXID"]))
    made = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{name}-{version}",
        "documentNamespace": f"https://meshauth.dev/spdx/{name}-{version}-{digest}",
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


def _debian(package: Package) -> dict[str, Any]:
    """Its licence is in the image, under /usr/share/doc: Debian's files name several each."""
    identity = "SPDXRef-deb-" + re.sub(r"[^A-Za-z0-9.-]", "-", package.name)
    purl = f"pkg:deb/debian/{quote(package.name)}@{quote(package.version)}?arch={package.architecture}&distro=debian-12"
    return {
        **_package(identity, package.name, package.version, "NOASSERTION"),
        "supplier": "Organization: Debian",
        "sourceInfo": f"built from the source package {package.source}",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    }


def _relation(of: str, kind: str, to: str) -> dict[str, str]:
    return {"spdxElementId": of, "relationshipType": kind, "relatedSpdxElement": to}
