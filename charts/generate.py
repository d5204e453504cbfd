#!/usr/bin/env python3
"""Writes mesh-auth/templates/crd-*.yaml from ../crds: Helm never upgrades a folder crds/, but it does upgrade templates.

`--check` writes nothing and fails when a file is not what it would write.
"""
import glob
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD = "{{- /* Written by charts/generate.py from crds/; edit the file there. */ -}}\n{{- if .Values.crds.enabled }}\n"
KEEP = (
    '  {{- $own := ternary (dict "helm.sh/resource-policy" "keep") (dict) .Values.crds.keep }}\n'
    '  {{- include "mesh-auth.annotations" (list . $own) | nindent 2 }}\n'
)
LABELS = "  labels:\n"
COMMON = "    {{- with .Values.commonLabels }}\n    {{- toYaml . | nindent 4 }}\n    {{- end }}\n"
TAIL = "{{- end }}\n"


def wrap(text):
    """The CRD as a template: the same bytes, but for the two conditions and what all objects of a release carry."""
    before, metadata, after = text.partition("\nmetadata:\n")
    if not metadata or "\n  annotations:" in text or text.count("\n" + LABELS) != 1:
        sys.exit("expected a CRD with metadata, labels and without annotations")
    escape = lambda part: part.replace("{{", '{{ "{{" }}')  # noqa: E731
    return HEAD + escape(before) + metadata + KEEP + escape(after).replace(LABELS, LABELS + COMMON, 1) + TAIL


def main():
    wanted = {}
    for path in sorted(glob.glob(f"{HERE}/../crds/meshauth.dev_*.yaml")):
        with open(path, encoding="utf-8") as file:
            name = os.path.basename(path).replace("meshauth.dev_", "crd-")
            wanted[f"{HERE}/mesh-auth/templates/{name}"] = wrap(file.read())
    if not wanted:
        sys.exit(f"no CRD in {HERE}/../crds")
    found = {}
    for path in glob.glob(f"{HERE}/mesh-auth/templates/crd-*.yaml"):
        with open(path, encoding="utf-8") as file:
            found[path] = file.read()
    stale = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    if "--check" in sys.argv[1:]:
        if stale:
            sys.exit(f"not current, run {sys.argv[0]}: {', '.join(map(os.path.basename, stale))}")
        return
    for path in stale:
        if path in wanted:
            with open(path, "w", encoding="utf-8") as file:
                file.write(wanted[path])
        else:
            os.remove(path)


if __name__ == "__main__":
    main()
