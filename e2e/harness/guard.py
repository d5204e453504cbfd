"""A process beside the test run that cleans up when the run dies without a word (SIGKILL, a crash).

It reads lines from a pipe whose other end only the run holds: `add PID START`, `drop PID`, `folder PATH`. At the
end of the pipe it ends every session that is still there and removes the folders. It ignores the signals that a
terminal sends, since it must outlive the run.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from harness import procfs


class Guard:
    """The run's end of the pipe."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.guard"],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: dict[int, int] = {}
    folders: list[str] = []
    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        if verb == "add":
            pid, started = rest.split()
            sessions[int(pid)] = int(started)
        elif verb == "drop":
            sessions.pop(int(rest), None)
        elif verb == "folder":
            folders.append(rest)
    for pid, started in reversed(sessions.items()):
        procfs.end_session(pid, started, grace=2.0)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
