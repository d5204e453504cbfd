#!/usr/bin/env python3
"""Numbers the schemas: one more whenever what they accept or keep is changed.

Writes schema-version.txt (the number, and the digest of the schemas that have it; kubectl passes over a file of that name), the
label meshauth.dev/schema-version of both definitions, and operator/app/schema_version.h: the operator does not run with definitions
of a smaller number. `--check` writes nothing and fails when one of these is not current.
"""
import hashlib
import json
import os
import re
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
STATE = f"{HERE}/schema-version.txt"
HEADER = f"{HERE}/../operator/app/schema_version.h"
DEFINITIONS = [f"{HERE}/meshauth.dev_{name}.yaml" for name in ("accesspolicies", "identityproviders")]
LABEL = re.compile(r'    meshauth\.dev/schema-version: "\d+"\n')
BEFORE = "    app.kubernetes.io/part-of: nginx-mesh-auth\n"


def without_prose(value):
    """The value without descriptions; a property that is called description has no string there."""
    if isinstance(value, dict):
        return {key: without_prose(of) for key, of in value.items() if key != "description" or not isinstance(of, str)}
    return [without_prose(of) for of in value] if isinstance(value, list) else value


def digest_of(texts):
    """Over what the definitions say about objects, and no columns or names."""
    versions = [yaml.safe_load(text)["spec"]["versions"] for text in texts]
    for version in (version for of in versions for version in of):
        version.pop("additionalPrinterColumns", None)
    return hashlib.sha256(json.dumps(without_prose(versions), sort_keys=True).encode()).hexdigest()


def labelled(path, text, number):
    bare = LABEL.sub("", text)
    if bare.count(BEFORE) != 1:
        sys.exit(f"{path}: expected the label app.kubernetes.io/part-of once")
    return bare.replace(BEFORE, f'{BEFORE}    meshauth.dev/schema-version: "{number}"\n')


def header(number):
    return f"""// Written by crds/schema_version.py.
#pragma once

namespace meshauth::app {{

/// The least schema version of the resources' definitions that has every field this program enforces.
inline constexpr int kSchemaVersion = {number};

}}  // namespace meshauth::app
"""


def read(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    texts = {path: read(path) for path in DEFINITIONS}
    digest = digest_of(texts.values())
    before, known = (read(STATE) or "0 none").split()
    number = int(before) + (known != digest)
    wanted = {path: labelled(path, text, number) for path, text in texts.items()}
    wanted[STATE] = f"{number} {digest}\n"
    wanted[HEADER] = header(number)
    stale = [path for path, text in wanted.items() if read(path) != text]
    if "--check" in sys.argv[1:]:
        if stale:
            sys.exit(f"not current, run {sys.argv[0]}: {', '.join(map(os.path.basename, stale))}")
        return
    for path in stale:
        with open(path, "w", encoding="utf-8") as file:
            file.write(wanted[path])


if __name__ == "__main__":
    main()
