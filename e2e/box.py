"""The archive of the programs of the tests' pods, for a cluster that is not ours: python e2e/box.py [FOLDER]"""

from __future__ import annotations

import sys
from pathlib import Path

from harness import tools
from node import images


def main() -> None:
    if len(sys.argv) > 2 or any(word.startswith("-") for word in sys.argv[1:]):
        sys.exit("usage: e2e/box.py [FOLDER]")
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else tools.REPO / "build" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{images.write_box(folder)}  {images.OWN['box']}")


if __name__ == "__main__":
    main()
