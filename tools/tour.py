#!/usr/bin/env python3
"""Does the tour of the control plane, docs/tutorials/control-plane.md, and compares each answer with the one that stands there.

    tools/tour.py             runs it, from `make control-plane` to `make control-plane-down`; fails where an answer differs
    tools/tour.py --print     the same, and prints what came

The README is walked by a test that imports walk(): it needs a cluster.

An indented block is typed into one shell; a fenced block after it is what it must print. Blanks count as one, `...` stands
for anything, and ages, times and digests may differ.
"""
from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
PAGE = REPO / "docs" / "tutorials" / "control-plane.md"
MARK = "tour-step-done"
CHATTER = re.compile(r"[EWI]\d{4} \d\d:")  # kubectl's own log lines, which come and go
VARIES = (
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\b[0-9a-f]{32,}\b"), "HEX"),
    (re.compile(r"(?<![\w.])(\d+[dhms])+(?![\w.])"), "AGE"),
)


def steps(text: str) -> list[tuple[str, str | None]]:
    """(commands, expected output or None), in order."""
    found: list[tuple[str, str | None]] = []
    for match in re.finditer(r"((?:^    [^\n]*\n)+)|^```\n(.*?)^```\n", text, re.M | re.S):
        if match[1]:
            found.append((re.sub(r"^    ", "", match[1], flags=re.M), None))
        elif not found or found[-1][1] is not None:
            sys.exit(f"tour: an output without commands before it:\n{match[2]}")
        else:
            found[-1] = (found[-1][0], match[2])
    return found


def plain(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        if CHATTER.match(line):
            continue
        for pattern, word in VARIES:
            line = pattern.sub(word, line)
        if line := " ".join(line.split()):
            lines.append(line)
    return lines


def same(wanted: str, found: str) -> bool:
    pattern = "\n".join(re.escape(line).replace(re.escape("..."), ".*") for line in plain(wanted))
    return re.fullmatch(pattern, "\n".join(plain(found)), re.S) is not None


class Shell:
    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command, env=environment, cwd=REPO, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, commands: str) -> tuple[str, int]:
        """What it printed, and the code of its last command."""
        self.process.stdin.write(f"{commands}\necho {MARK} $?\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if match := re.fullmatch(rf"(.*){MARK} (\d+)\n", line, re.S):
                return "".join(lines) + match[1], int(match[2])
            lines.append(line)
        sys.exit(f"tour: the shell ended in the middle of:\n{commands}\n{''.join(lines)}")


def walk(todo: list[tuple[str, str | None]], shell: Shell, loud: bool = False) -> list[str]:
    """Types all of it; a fault for each answer that differs, and for a command that failed, which is the last."""
    faults = []
    for commands, wanted in todo:
        found, code = shell.run(commands)
        if loud:
            print(f"{commands}```\n{found}```\n", flush=True)
        if wanted is not None and not same(wanted, found):
            faults.append(f"after\n{commands}expected\n{wanted}found\n{found}")
        elif wanted is None and code != 0:
            return [*faults, f"this ended with {code}:\n{commands}{found}"]
    return faults


def main() -> int:
    if (REPO / "build/control-plane/processes.json").exists():
        sys.exit("tour: a local control plane is running, and the tour would change it: run `make control-plane-down` first")
    todo = steps(PAGE.read_text())
    checked = sum(wanted is not None for _, wanted in todo)
    if checked == 0:
        sys.exit(f"tour: {PAGE} has no output to compare with")
    shell = Shell(["bash"])
    try:
        faults = walk(todo, shell, "--print" in sys.argv[1:])
    finally:
        shell.process.stdin.close()
        shell.process.wait()
        subprocess.run(["make", "--no-print-directory", "control-plane-down"], cwd=REPO, check=False, stdout=subprocess.DEVNULL)
    for fault in faults:
        print(f"tour: {fault}", file=sys.stderr)
    print(f"tour: {checked} answers compared, {len(faults)} differ")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
