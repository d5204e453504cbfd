"""The node's own mount, network, process and IPC namespaces: they are all that `down` has to end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from pathlib import Path

from harness import procfs, tools
from harness.supervisor import Process, Supervisor
from harness.wait import await_until
from node import machine

_SCRIPT = Path(__file__).parent / "namespace.sh"
# Who starts us may be killed at any moment, so the process writes down itself who it is (pid and start, as procfs has
# them) before there is anything to take away.
_RECORDED = 'read -ra stat </proc/$$/stat && echo "$$ ${stat[21]}" >"$0.new" && mv "$0.new" "$0" && exec "$@"'
_CGROUPS = Path("/sys/fs/cgroup")
_ENTERED = ("--mount", "--net", "--pid", "--ipc")


class Namespaces:
    """Those of the node whose data is in `folder`; `record` names their first process, also after a crash of ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._record = folder / "first-process"
        self.cgroup = "mesh-auth-" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]

    def open(self, supervisor: Supervisor) -> Process:
        """Makes them; returns when network and mounts are laid."""
        ready = self.folder / "laid"
        ready.unlink(missing_ok=True)
        for root in _cgroup_roots():
            (root / self.cgroup).mkdir(exist_ok=True)
        argv = ["bash", "-c", _RECORDED, self._record]
        argv += ["unshare", *_ENTERED, "--fork", "--kill-child", "--mount-proc", _SCRIPT, self.folder, tools.box()]
        process = supervisor.start("namespaces", argv, env={"PATH": machine.SEARCH})
        await_until("the node's namespaces are laid", lambda: ready.exists() or not process.is_running(), within=30)
        assert process.is_running(), f"the node's namespaces could not be laid\n{process.tail()}"
        return process

    def first_process(self) -> int | None:
        """The pid, seen from outside, of the process with whose end everything in them ends."""
        if not self._record.exists():
            return None
        pid, started = map(int, self._record.read_text().split())
        if not procfs.is_running(pid, started):
            return None
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else None

    def enter(self, *command: str | os.PathLike[str], folder: Path | None = None) -> list[str]:
        """The command line that runs another one inside, in `folder`, else in that of the node."""
        first = self.first_process()
        assert first, f"no node is running in {self.folder}"
        return ["nsenter", f"--wd={folder or self.folder}", f"--target={first}", *_ENTERED, "--", *map(os.fspath, command)]

    def end(self) -> None:
        """Ends every process inside, and with the last one mounts, interfaces and rules are gone; then the control groups."""
        await_until("the node's processes are gone", self._kill, within=30)
        self._record.unlink(missing_ok=True)
        await_until("its control groups are gone", self._remove_cgroups, within=30)

    def _kill(self) -> bool:
        """True once none is left: the kernel takes all of a PID namespace with its first process."""
        if first := self.first_process():
            with contextlib.suppress(ProcessLookupError):
                os.kill(first, signal.SIGKILL)
        if not self._record.exists():
            return True
        pid, started = map(int, self._record.read_text().split())
        return not procfs.is_running(pid, started)

    def _remove_cgroups(self) -> bool:
        for root in _cgroup_roots():
            for path, _, _ in os.walk(root / self.cgroup, topdown=False):
                with contextlib.suppress(OSError):  # still in use: the next try
                    os.rmdir(path)
        return not any((root / self.cgroup).exists() for root in _cgroup_roots())


def _cgroup_roots() -> list[Path]:
    if (_CGROUPS / "cgroup.controllers").exists():  # version 2: one tree
        return [_CGROUPS]
    return sorted(path for path in _CGROUPS.iterdir() if path.is_dir() and not path.is_symlink())
