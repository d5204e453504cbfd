"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def await_until(what: str, probe: Callable[[], T], within: float = 15.0, every: float = 0.02) -> T:
    """Calls `probe` until it returns something true, and returns that.

    An AssertionError or OSError inside the probe counts as "not yet". After `within` seconds the failure names
    what was awaited and what the probe saw last.
    """
    began = time.monotonic()
    last = "nothing"
    while True:
        try:
            value = probe()
            if value:
                return value
            last = repr(value)
        except (AssertionError, OSError) as error:
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() - began > within:
            raise AssertionError(f"after {within:g} s still waiting until {what}; last seen: {last}")
        time.sleep(every)


def stays(what: str, probe: Callable[[], object], seconds: float = 1.0, every: float = 0.05) -> None:
    """Holds for `seconds`: for what must not happen, where no condition can be awaited."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert probe(), f"expected all the time, but it stopped being so: {what}"
        time.sleep(every)
