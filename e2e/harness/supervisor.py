"""Starts programs, awaits that they are ready, and leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness import procfs
from harness.guard import Guard

_TAIL_LINES = 25


class Process:
    """One program in a session of its own, with its log."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path, log_start: int = 0) -> None:
        self.name = name
        self.log = log
        self._log_start = log_start  # a program that is started again writes on in the same file
        self.pid = popen.pid
        self.started = procfs.start_time(popen.pid) or 0
        self._popen = popen

    def is_running(self) -> bool:
        return self._popen.poll() is None

    def exit_code(self, within: float = 10.0) -> int:
        """Waits for the program's own end. Negative: the signal that ended it."""
        try:
            return self._popen.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} was still running after {within:g} s\n{self.tail()}") from None

    def tell(self, number: int) -> None:
        self._popen.send_signal(number)

    def stop(self, grace: float = 5.0) -> None:
        """Ends the program and all its children: SIGTERM first, SIGKILL for what is left after `grace` seconds."""
        procfs.end_session(self.pid, self.started, grace)
        self._popen.wait()

    def kill(self) -> None:
        """SIGKILL to the program alone, as the kernel's out-of-memory killer would. Its children live on."""
        self._popen.send_signal(signal.SIGKILL)
        self._popen.wait()

    def output(self) -> str:
        """What it wrote since this start."""
        with open(self.log, "rb") as source:
            source.seek(self._log_start)
            return source.read().decode(errors="replace")

    def tail(self, lines: int = _TAIL_LINES) -> str:
        last = self.output().splitlines()[-lines:]
        return "\n".join([f"--- the last lines of {self.log}", *last, "---"])


class Supervisor:
    """Owns processes and a guard that ends them if this process dies without a word.

    Start processes from the main thread only: the kernel ties PR_SET_PDEATHSIG to the thread that forked.
    """

    def __init__(
        self, logs: Path, guarded: bool = True, on_start: Callable[[Process], None] | None = None
    ) -> None:
        """Without a guard the programs outlive this process; `on_start` is told of each, to end them later."""
        self.logs = logs
        self._on_start = on_start
        self.processes: list[Process] = []
        self._guard = Guard() if guarded else None
        logs.mkdir(parents=True, exist_ok=True)

    def start(
        self,
        name: str,
        argv: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        ready: Callable[[], object] | None = None,
        within: float = 30.0,
    ) -> Process:
        """Starts a program; with `ready`, returns only once that holds. A program that ends before is an error."""
        command = [os.fspath(word) for word in argv]
        if self._guard:
            command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        log = self.logs / f"{name}.log"
        with open(log, "ab") as sink:
            sink.write(f"$ {' '.join(command)}\n".encode())
            sink.flush()
            log_start = sink.tell()
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=cwd or self.logs,
                env=clean_environment(env),
                start_new_session=True,
            )
        process = Process(name, popen, log, log_start)
        self.processes.append(process)
        if self._guard:
            self._guard.tell(f"add {process.pid} {process.started}")
        if self._on_start:
            self._on_start(process)
        if ready:
            self._await_ready(process, ready, within)
        return process

    def stop(self, process: Process) -> None:
        process.stop()
        self.processes.remove(process)
        if self._guard:
            self._guard.tell(f"drop {process.pid}")

    def remove_at_end(self, folder: Path) -> None:
        """A folder that must go even when this process is killed."""
        if self._guard:
            self._guard.tell(f"folder {folder}")

    def stop_all(self) -> None:
        """Everything, the newest first."""
        for process in reversed(self.processes):
            process.stop()
        self.processes.clear()
        if self._guard:
            self._guard.close()
            self._guard = None

    def _await_ready(self, process: Process, ready: Callable[[], object], within: float) -> None:
        end = time.monotonic() + within
        last = "nothing"
        while True:
            if not process.is_running():
                raise AssertionError(
                    f"{process.name} ended with {process.exit_code()} before it was ready\n{process.tail()}"
                )
            try:
                if ready():
                    return
            except (AssertionError, OSError) as error:
                last = f"{type(error).__name__}: {error}"
            if time.monotonic() > end:
                raise AssertionError(
                    f"{process.name} was not ready after {within:g} s; last seen: {last}\n{process.tail()}"
                )
            time.sleep(0.02)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a program of the harness sees: never the caller's KUBECONFIG, proxies or cluster."""
    kept = ("PATH", "LANG", "TMPDIR", "TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env["HOME"] = "/nonexistent"
    env.update(extra or {})
    return env
