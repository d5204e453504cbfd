"""The main job without a cluster, step by step, every answer checked. See demo/README.md.

python3 demo/run.py [--build DIR] [--state DIR]     tells the story; KEEP=1 and BREAK=STEP as in the README
python3 demo/run.py --stop [--state DIR]            ends what KEEP=1 left running
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

REPO = Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True  # the source tree stays as it is
sys.path.insert(0, str(REPO / "e2e"))

import hints  # noqa: E402
from gateway import Wrong  # noqa: E402
from harness import procfs  # noqa: E402
from harness.supervisor import Process, Supervisor  # noqa: E402
from mesh import Mesh, await_until  # noqa: E402
from screen import Screen  # noqa: E402
from story import STEPS, Story  # noqa: E402

_MARKER = ".mesh-auth-demo"  # only a folder that has it is ever emptied


class Kept:
    """What KEEP=1 leaves running: written as it starts, so that --stop finds it whatever happened."""

    def __init__(self, state: Path) -> None:
        self._file = state / "running.json"
        self._processes: list[dict[str, int | str]] = []

    def add(self, process: Process) -> None:
        self._processes.append({"name": process.name, "pid": process.pid, "started": process.started})
        self._file.write_text(json.dumps(self._processes, indent=1) + "\n")

    def forget(self) -> None:
        self._file.unlink(missing_ok=True)

    def end(self) -> int:
        """Ends it, the newest first; how many of them still ran."""
        if not self._file.exists():
            return 0
        ended = 0
        for process in reversed(json.loads(self._file.read_text())):
            if procfs.is_running(process["pid"], process["started"]):
                ended += 1
            procfs.end_session(process["pid"], process["started"])
        self.forget()
        return ended


def main() -> int:
    options = parse()
    if options.stop:
        ended = Kept(options.state).end() if options.state.exists() else 0
        print(f"{ended} programs of the demo ended" if ended else "no demo runs here")
        return 0
    spoiled = os.environ.get("BREAK", "")
    keep = os.environ.get("KEEP", "") not in ("", "0")
    check_usage(options.build, spoiled)
    with locked(options.state):
        if Kept(options.state).end():
            print("(what an earlier KEEP=1 left running was ended)")
        clear(options.state)
        return tell(options, spoiled, keep)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo/run.py",
        description="The main job without a cluster, step by step; exit code 0 only if every answer was right.",
        epilog="Environment: KEEP=1 leaves everything running. BREAK=STEP spoils one step on purpose, which must "
        f"fail; steps: {' '.join(step.name for step in STEPS)}",
    )
    parser.add_argument("--build", type=Path, default=REPO / "build", help="where the programs were built")
    parser.add_argument("--state", type=Path, default=REPO / "build/demo", help="folder for all files, made anew")
    parser.add_argument("--stop", action="store_true", help="ends what KEEP=1 left running")
    options = parser.parse_args()
    options.build, options.state = options.build.resolve(), options.state.resolve()
    return options


def check_usage(build: Path, spoiled: str) -> None:
    if spoiled and spoiled not in (step.name for step in STEPS):
        usage(f"BREAK={spoiled}: there is no such step. The steps are:\n" + "\n".join(f"  {s.name}" for s in STEPS))
    wanted = [build / "bin" / name for name in ("mesh-auth-operator", "mesh-auth-agent", "meshauthctl")]
    wanted.append(build / "modules/ngx_http_mesh_auth_module.so")
    missing = [str(path) for path in wanted if not path.exists()]
    if missing:
        usage("not built yet, run `make build` first: " + ", ".join(missing))


def usage(message: str) -> NoReturn:
    print(f"demo: {message}", file=sys.stderr)
    sys.exit(2)


def locked(state: Path) -> Any:
    state.parent.mkdir(parents=True, exist_ok=True)
    lock = open(state.parent / f".{state.name}.lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        usage(f"another demo is at work in {state}")
    return lock


def clear(state: Path) -> None:
    if state.exists() and any(state.iterdir()) and not (state / _MARKER).exists():
        usage(f"--state {state} holds other files; name a folder that is empty or new")
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    (state / _MARKER).touch()


def tell(options: argparse.Namespace, spoiled: str, keep: bool) -> int:
    screen = Screen()
    kept = Kept(options.state)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    began = time.monotonic()
    supervisor = Supervisor(options.state / "logs", guarded=not keep, on_start=kept.add)
    left_running = False
    try:
        mesh = Mesh(supervisor, options.build, options.state)
        story = begin(mesh, screen, spoiled, began)
        story.run()
        right = summarize(story, screen, began, spoiled)
        left_running = keep
        if keep:
            hints.show(screen, mesh)
        return 0 if right else 1
    except KeyboardInterrupt:
        screen.summary("Interrupted: everything that was started is ended.", False)
        return 130
    except (Wrong, AssertionError, OSError) as error:
        screen.summary(f"The demo cannot go on: {error}", False)
        screen.text(f"The logs are in {options.state / 'logs'}.")
        return 1
    finally:
        if not left_running:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # the way out takes a moment and must not be cut short
            supervisor.stop_all()
            kept.forget()


def begin(mesh: Mesh, screen: Screen, spoiled: str, began: float) -> Story:
    screen.text("Starting, on free loopback ports: a provider, the operator, nginx with its agent, an application.")
    mesh.start()
    story = Story(mesh, screen, spoiled)
    first = lambda: mesh.gateway.ask("GET", "/orders/7", story.reader, audited=False).status == 200  # noqa: E731
    await_until(first, 15, "the first right answer")
    screen.line("provider", f"{mesh.provider.issuer} (meshauthctl dev-idp)")
    screen.line("operator", f"watches {mesh.manifests}")
    screen.line("nginx", f"http://127.0.0.1:{mesh.gateway_port} before an application on port {mesh.upstream_port}")
    screen.line("ready", f"{time.monotonic() - began:.1f} s")
    return story


def summarize(story: Story, screen: Screen, began: float, spoiled: str) -> bool:
    seconds = f"{time.monotonic() - began:.1f} s"
    right = not story.wrong
    if right:
        text = f"All {len(STEPS)} steps right: {story.answers} answers checked, in {seconds}."
        if spoiled:
            text += f" BREAK={spoiled} should have shown."
    else:
        counts = f"{len(STEPS) - len(story.wrong)} of {len(STEPS)} steps right"
        text = f"WRONG in {', '.join(story.wrong)} ({counts}), in {seconds}."
    screen.summary(text, right)
    return right


if __name__ == "__main__":
    sys.exit(main())
