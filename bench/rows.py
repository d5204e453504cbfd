"""Figures with what they must be at most, printed and written as build/bench/*.json."""

from __future__ import annotations

import json
from pathlib import Path

REPORTS = Path(__file__).resolve().parent.parent / "build" / "bench"


def row(what: str, value: float, values: list[float], unit: str, bar: float | None = None) -> dict:
    """values: all that were measured, whose worst is held against the bar. Without a bar (null) it is only told."""
    holds = bar is None or max(values) <= bar
    return {"what": what, "value": value, "spread": [min(values), max(values)], "unit": unit, "bar": bar, "holds": holds}


def finish(name: str, rows: list[dict]) -> int:
    """Writes and prints them; 1 if a bar does not hold."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / f"{name}.json").write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    for each in rows:
        low, high = each["spread"]
        said = f", at most {each['bar']:g}: {'holds' if each['holds'] else 'does not hold'}" if each["bar"] is not None else ""
        print(f"{each['what']}: {each['value']:.4g} {each['unit']} ({low:.4g} to {high:.4g}){said}")
    return 0 if all(each["holds"] for each in rows) else 1
