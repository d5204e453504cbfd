"""One decision by the number of rules, with its bars: python bench/decisions.py (make bench). bench_engine measures."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from rows import REPORTS, finish, row

PROGRAM = Path(__file__).resolve().parent.parent / "build" / "bin" / "bench_engine"
REPETITIONS = 11
BARS = {"1000": 150.0, "10000": 400.0}  # nanoseconds, by the number of rules
NAMES = {"hit": "a rule allows", "miss": "no rule is for the path", "worst": "every rule is for the path and fails in its last condition"}
NO_BAR = "worst"  # grows with the rules that match, as it must


def main() -> int:
    REPORTS.mkdir(parents=True, exist_ok=True)
    out = REPORTS / "engine.json"
    argv = [PROGRAM, f"--benchmark_repetitions={REPETITIONS}", "--benchmark_min_time=0.1", f"--benchmark_out={out}"]
    subprocess.run([*argv, "--benchmark_out_format=json"], check=True, stdout=subprocess.DEVNULL)
    found: dict[tuple[str, str], list[float]] = {}
    for each in json.loads(out.read_text())["benchmarks"]:
        assert each["time_unit"] == "ns" and "error_occurred" not in each, each
        if each["run_type"] == "iteration":
            name, _, rules = each["run_name"].partition("/")
            found.setdefault((name, rules), []).append(each["cpu_time"])
    rows = []
    for (name, rules), values in found.items():
        bar = None if name == NO_BAR else BARS.get(rules)
        rows.append(row(f"one decision, {int(rules):,} rules, {NAMES[name]}", statistics.median(values), values, "ns", bar))
    return finish("decisions", rows)


if __name__ == "__main__":
    sys.exit(main())
