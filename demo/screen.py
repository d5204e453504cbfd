"""What a person sees. Colours only on a terminal."""

from __future__ import annotations

import os
import sys
import textwrap

_BOLD, _DIM, _GREEN, _RED, _CYAN = "1", "2", "32", "31", "36"
_LABEL = 12
_WIDTH = 118


class Screen:
    def __init__(self) -> None:
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def title(self, text: str) -> None:
        self._print("")
        self._print(self._in(_BOLD, text))

    def line(self, label: str, text: str) -> None:
        """A label and its text; long texts go on below, in line."""
        self._rows(label, self._wrapped(text, 0))

    def verdict(self, label: str, text: str, right: bool) -> None:
        word = self._in(_GREEN, "right") if right else self._in(_RED, "WRONG")
        rows = self._wrapped(text, len("  [right]"))
        rows[-1] += f"  [{word}]"
        self._rows(label, rows)

    def measured(self, text: str) -> None:
        self._print("  " + self._in(_DIM, "enforced".ljust(_LABEL)) + self._in(_CYAN, text))

    def text(self, text: str = "") -> None:
        self._print(text)

    def summary(self, text: str, right: bool) -> None:
        self._print("")
        self._print(self._in(_GREEN if right else _RED, text))

    def _wrapped(self, text: str, spare: int) -> list[str]:
        width = _WIDTH - _LABEL - 2 - spare
        indent = " " * (len(text) - len(text.lstrip()))
        rows = textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        return rows or [""]

    def _rows(self, label: str, rows: list[str]) -> None:
        for number, row in enumerate(rows):
            self._print("  " + self._in(_DIM, (label if number == 0 else "").ljust(_LABEL)) + row)

    def _in(self, colour: str, text: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colours else text

    def _print(self, text: str) -> None:
        print(text, flush=True)
