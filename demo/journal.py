"""The log of a program: one JSON object a line, read as it grows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Journal:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._entries: list[Entry] = []

    def mark(self) -> int:
        """A place in the log; what comes after it is news."""
        return len(self._read())

    def find(self, wanted: Callable[[Entry], bool], since: int = 0) -> Entry | None:
        return next((entry for entry in self._read()[since:] if wanted(entry)), None)

    def await_entry(self, wanted: Callable[[Entry], bool], within: float, since: int = 0) -> Entry | None:
        """The first entry after the mark; None when none came in time."""
        end = time.monotonic() + within
        while True:
            entry = self.find(wanted, since)
            if entry is not None or time.monotonic() > end:
                return entry
            time.sleep(0.002)

    def _read(self) -> list[Entry]:
        if not self._path.exists():
            return self._entries
        with open(self._path, "rb") as source:
            source.seek(self._at)
            new = source.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # nginx's own error log, and the command line that stands on top
            if isinstance(entry, dict):
                self._entries.append(entry)
        return self._entries
