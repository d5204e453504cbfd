#!/usr/bin/env python3
"""Fails where a link between this repository's pages leads to no file, or to no heading of it."""
from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]*)(?:#([^)\s]+))?\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
CODE = re.compile(r"`[^`\n]*`")


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ +(.+?)\s*$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def main() -> int:
    pages = subprocess.run(["git", "-C", REPO, "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True, text=True, check=True)
    broken, checked = [], 0
    for name in pages.stdout.split():
        page = REPO / name
        for path, anchor in LINK.findall(CODE.sub("", FENCE.sub("", page.read_text()))):
            checked += 1
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                broken.append(f"{name}: {path} is not there")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                broken.append(f"{name}: {path}#{anchor}: no such heading")
    print("\n".join(broken), file=sys.stderr if broken else sys.stdout, end="\n" if broken else "")
    if not checked:
        broken.append("no link was found")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
