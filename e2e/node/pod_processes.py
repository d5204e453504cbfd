"""What runs in a pod of our own node, seen and reached from outside of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from node import machine

_SANDBOX = ["/usr/bin/box", ""]  # its command line: no verb


def of(pod: dict[str, Any]) -> list[int]:
    """The pids on this machine of all its processes."""
    mark, found = f"pod{pod['metadata']['uid']}", []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "cgroup").read_text():
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended meanwhile
    return sorted(found)


def in_network(pod: dict[str, Any], *command: str) -> str:
    """What a command of this machine says in the pod's network."""
    pid, *_ = of(pod)
    done = subprocess.run(
        ["nsenter", f"--target={pid}", "--net", "--", *command], capture_output=True, text=True, timeout=30, env={"PATH": machine.SEARCH}
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def drop_packets(pod: dict[str, Any], port: int) -> None:
    """To and from a port elsewhere, without a word to either end; what is open stays open."""
    for chain, side in (("OUTPUT", "--dport"), ("INPUT", "--sport")):
        in_network(pod, "iptables", "-w", "-I", chain, "-p", "tcp", side, str(port), "-j", "DROP")


def capabilities(pod: dict[str, Any]) -> dict[str, set[int]]:
    """What its processes may do beyond others' (CapEff), by the name of the program; the sandbox's own is left out."""
    found: dict[str, set[int]] = {}
    for pid in of(pod):
        try:
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except OSError:
            continue
        if command != _SANDBOX:
            found.setdefault(status["Name"].strip(), set()).add(int(status["CapEff"], 16))
    return found
