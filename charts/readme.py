#!/usr/bin/env python3
"""Writes mesh-auth/README.md from mesh-auth/values.yaml, whose comments are the descriptions.

The comment above a key describes it; a map with a comment of its own is one value, a map without one is a group. A value
without a comment is an error. `--check` writes nothing and fails when the page is not what it would write.
"""
import json
import os
import re
import sys

import yaml

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mesh-auth")

HEAD = """# The chart mesh-auth

Written by `charts/readme.py` from the comments of `values.yaml`. {description}

    helm install mesh-auth charts/mesh-auth --namespace mesh-auth-system --create-namespace \\
      --set image.repository=YOURS/operator --set injection.image.repository=YOURS/sidecar

Version {version}, Kubernetes {kubernetes}. Any other value than these is refused (`values.schema.json`).

| value | default | what it is |
|---|---|---|
"""
KEY = re.compile(r"^( *)([A-Za-z]\w*):")


def comments(text):
    """{path: its comment}, for every key of the file; "" where there is none. A path is a tuple of names."""
    found, above, path = {}, [], []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            above.append(stripped.lstrip("#").strip())
            continue
        key = KEY.match(line)
        if key:
            depth = len(key[1]) // 2
            path = path[:depth] + [key[2]]
            found[tuple(path)] = " ".join(above)
        above = []
    return found


def rows(values, said, path=()):
    """[(path, default, comment)], in the order of the file."""
    made = []
    for name, value in values.items():
        at = path + (name,)
        if isinstance(value, dict) and value and not said[at]:
            made += rows(value, said, at)
            continue
        if not said[at]:
            sys.exit(f"values.yaml: {'.'.join(at)} has no comment above it")
        made.append((".".join(at), json.dumps(value), said[at]))
    return made


def page():
    def read(name):
        with open(f"{HERE}/{name}", encoding="utf-8") as file:
            return file.read()

    text, chart = read("values.yaml"), yaml.safe_load(read("Chart.yaml"))
    head = HEAD.format(description=chart["description"], version=chart["version"], kubernetes=chart["kubeVersion"].removesuffix("-0"))
    escape = lambda cell: cell.replace("|", "\\|")  # noqa: E731
    lines = [f"| `{path}` | `{escape(default)}` | {escape(comment)} |" for path, default, comment in rows(yaml.safe_load(text), comments(text))]
    return head + "\n".join(lines) + "\n"


def main():
    path, wanted = f"{HERE}/README.md", page()
    found = None
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            found = file.read()
    if found == wanted:
        return
    if "--check" in sys.argv[1:]:
        sys.exit(f"not current, run {sys.argv[0]}: charts/mesh-auth/README.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(wanted)


if __name__ == "__main__":
    main()
