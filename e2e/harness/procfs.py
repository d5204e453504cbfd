"""What /proc says about processes: who they are, and who belongs to a session."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name, or None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the process's start. With the pid it names a process for good: pids come again."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def is_running(pid: int, started: int) -> bool:
    """True while that very process lives; a zombie does not."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in "ZX" and int(fields[19]) == started


def session_members(leader: int) -> list[int]:
    """Living processes of the session that `leader` opened, itself included."""
    members = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields and fields[0] not in "ZX" and int(fields[3]) == leader:
                members.append(int(entry))
    return members


def end_session(leader: int, started: int, grace: float = 5.0) -> None:
    """Ends a session: SIGTERM to its leader, then SIGKILL to whoever is left after `grace` seconds.

    Every process of the harness opens a session of its own, so that its children (nginx under the agent, its
    workers) are found even when the leader is gone. A pid that is somebody else's by now is left alone.
    """
    found = start_time(leader)
    if found is not None and found != started:
        return
    _signal(leader if found is not None else 0, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while session_members(leader) and time.monotonic() < deadline:
        if not is_running(leader, started):  # the children had their leader's word; they get a moment, no more
            deadline = min(deadline, time.monotonic() + 1.0)
        time.sleep(0.02)
    while members := session_members(leader):
        for pid in members:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.02)


def _signal(pid: int, number: int) -> None:
    if pid <= 0:
        return
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def owner_of_connection(port: int, client_port: int, candidates: set[int]) -> int | None:
    """Which of the processes holds the server's end of a loopback connection."""
    inode = None
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(address.rsplit(":", 1)[1], 16) for address in fields[1:3])
        if (local, remote) == (port, client_port):
            inode = fields[9]
    for pid in candidates:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(descriptor) == f"socket:[{inode}]":
                    return pid
            except OSError:
                continue  # closed meanwhile
    return None
