"""The demo itself: every answer right once, and every step able to fail."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MESH_AUTH_BUILD", REPO / "build"))
RUN = REPO / "demo/run.py"
STEPS = re.findall(r'Step\("([a-z-]+)"', (REPO / "demo/story.py").read_text())


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "demo"
    subprocess.run([*command(tmp_path / "demo"), "--stop"], check=True, stdout=subprocess.DEVNULL)


def command(state: Path) -> list[str]:
    return [sys.executable, str(RUN), "--build", str(BUILD), "--state", str(state)]


def run(state: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(state), env=environment(variables), text=True, capture_output=True, timeout=120)


def environment(variables: dict[str, str]) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if name not in ("KEEP", "BREAK")}
    return env | variables


def processes_of(state: Path) -> list[str]:
    """Command lines of living processes that name the demo's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"{state}/" in line:
                found.append(line)
    return found


def answer_of(command: str) -> str:
    return subprocess.run(["bash", "-c", command], text=True, capture_output=True, timeout=20, check=True).stdout


def wrong_steps(output: str) -> list[str]:
    last = output.strip().splitlines()[-1]
    found = re.match(r"WRONG in ([a-z, -]+) \(", last)
    return found[1].split(", ") if found else []


def test_every_answer_is_right(state: Path) -> None:
    done = run(state)
    assert done.returncode == 0, done.stdout + done.stderr
    titles = re.findall(r"^\d+/\d+ ([a-z-]+):", done.stdout, re.M)
    assert titles == STEPS and len(STEPS) >= 11
    assert f"All {len(STEPS)} steps right" in done.stdout.splitlines()[-1]
    assert "[WRONG]" not in done.stdout and "\033" not in done.stdout
    for kept in ("request ", "answer ", "decided by ", "enforced "):
        assert kept in done.stdout
    assert re.search(r"enforced +[\d.]+ ms after the file was saved", done.stdout)
    assert processes_of(state) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_spoiled_step_shows(step: str, state: Path) -> None:
    done = run(state, BREAK=step)
    assert done.returncode == 1, done.stdout + done.stderr
    assert wrong_steps(done.stdout) == [step], done.stdout
    assert processes_of(state) == []


def test_an_unknown_step_is_wrong_usage_and_lists_the_steps(state: Path) -> None:
    done = run(state, BREAK="no-such-step")
    assert done.returncode == 2 and not state.exists()
    assert [line.strip() for line in done.stderr.splitlines()[1:]] == STEPS


def test_a_folder_with_other_files_is_left_alone(state: Path) -> None:
    state.mkdir()
    (state / "letter.txt").write_text("mine")
    done = run(state)
    assert done.returncode == 2 and "holds other files" in done.stderr
    assert (state / "letter.txt").read_text() == "mine"


def test_kept_running_its_advice_works_and_stop_ends_it(state: Path) -> None:
    done = run(state, KEEP="1")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    token = next(line for line in lines if line.startswith("TOKEN="))
    asked = 0
    for line in lines:
        wanted = re.match(r"(curl -i .*\S) +# (\d\d\d)\b", line)
        if wanted:
            asked += 1
            answer = subprocess.run(
                ["bash", "-c", f"{token}; {wanted[1]}"], text=True, capture_output=True, timeout=20, check=True
            )
            assert answer.stdout.split()[1] == wanted[2], line
    assert asked == 4
    told = [answer_of(line) for line in lines if line.startswith("curl -s ")]
    assert len(told) == 6 and "access_token" in told[0] and not [text for text in told if "error" in text[:10]], told
    explained = next(line for line in lines if " explain " in line)
    answer = subprocess.run(["bash", "-c", explained], text=True, capture_output=True, timeout=20)
    assert answer.returncode == 3 and "rule own-path of policy shop/users" in answer.stdout, answer.stderr
    files = [line for line in lines if line.endswith(".yaml") and line.startswith("/")]
    assert len(files) == 2 and all(Path(file).exists() for file in files)

    stop = next(line for line in lines if " --stop" in line)
    subprocess.run(shlex.split(stop), check=True, timeout=30)
    assert processes_of(state) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_demo_that_is_ended(number: signal.Signals, state: Path) -> None:
    demo = subprocess.Popen(command(state), env=environment({}), stdout=subprocess.PIPE, text=True)
    assert demo.stdout
    for line in demo.stdout:
        if line.startswith("3/"):
            break
    assert len(processes_of(state)) > 3
    demo.send_signal(number)
    demo.stdout.read()
    assert demo.wait(30) == (-number if number == signal.SIGKILL else 130)
    end = time.monotonic() + 15  # after SIGKILL the guard does it, a moment later
    while processes_of(state) and time.monotonic() < end:
        time.sleep(0.05)
    assert processes_of(state) == []


def test_kept_processes_are_on_record_from_the_start(state: Path) -> None:
    """KEEP=1 has no guard: what is killed half way is found by --stop."""
    demo = subprocess.Popen(command(state), env=environment({"KEEP": "1"}), stdout=subprocess.PIPE, text=True)
    assert demo.stdout
    for line in demo.stdout:
        if line.startswith("2/"):
            break
    demo.kill()
    demo.wait(30)
    assert len(json.loads((state / "running.json").read_text())) >= 4
    subprocess.run([*command(state), "--stop"], check=True, timeout=30)
    assert processes_of(state) == []
