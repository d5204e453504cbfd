"""A real cluster of one node on this machine, `make cluster` and `make cluster-down`: python e2e/cluster.py up [SECONDS] | down | restart | exec COMMAND...

It runs in namespaces of its own: nothing of it is seen from outside, so commands that use it run through `exec`. Its
data is in build/cluster (or MESH_AUTH_CLUSTER_DIR), and `down` takes away all of it, also after a crash. `up SECONDS`
fails where it takes longer than that, and leaves it running.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness import tools
from harness.supervisor import Supervisor
from node import images, machine
from node.lifecycle import Node, remove
from node.namespaces import Namespaces

FOLDER = Path(os.environ.get("MESH_AUTH_CLUSTER_DIR") or tools.REPO / "build" / "cluster").absolute()
LOGS = FOLDER.with_name(FOLDER.name + "-logs")


def up(within: float | None = None) -> None:
    began = time.monotonic()
    if Namespaces(FOLDER).first_process():
        _stop_unless_it_answers()
        print(f"already running; `make cluster-down` takes it away.\n\n{_next_steps()}")
        return
    node = _node()
    try:
        node.start()
    except BaseException:
        print(f"cluster: taking down what was started; its logs are in {LOGS}", file=sys.stderr)
        remove(FOLDER)
        raise
    for archive in sorted((tools.REPO / "build" / "images").glob("*.tar")):
        node.import_image(archive)
    (FOLDER / "values.yaml").write_text(images.values(images.OWN))
    _lay_wrapper(node)
    took = time.monotonic() - began
    print(f"ready after {took:.1f} s\n\n{_next_steps()}")
    if within is not None and took > within:
        sys.exit(f"cluster: it was ready after {took:.1f} s, not within {within:g}")


def down() -> None:
    remove(FOLDER)


def restart() -> None:
    if not (FOLDER / "etcd").is_dir():
        sys.exit(f"there is no cluster in {FOLDER}: `up` starts one")
    node = _node()
    node.adopt()
    node.restart()
    _lay_wrapper(node)


def execute(command: list[str]) -> None:
    """Becomes the command, inside."""
    argv = Namespaces(FOLDER).enter(*command, folder=Path.cwd())
    os.environ["KUBECONFIG"] = str(_kubeconfig())
    os.environ["PATH"] = f"{_programs()}:{machine.SEARCH}"
    os.execvp(argv[0], argv)


def _stop_unless_it_answers() -> None:
    probe = Namespaces(FOLDER).enter(tools.kube("kubectl"), f"--kubeconfig={_kubeconfig()}", "get", "--raw=/readyz", "--request-timeout=10s")
    said = subprocess.run(probe, capture_output=True, text=True, timeout=30)
    if said.returncode != 0:
        sys.exit(f"a cluster is running in {FOLDER}, and its API server does not answer; `make cluster-down` takes it away: {said.stderr}")


def _kubeconfig() -> Path:
    return FOLDER / "pki" / "admin.kubeconfig"


def _node() -> Node:
    return Node(Supervisor(LOGS, guarded=False), FOLDER)


def _lay_wrapper(node: Node) -> None:
    """FOLDER/enter COMMAND..., for who has not the environment of e2e/tools.sh."""
    words = [word if not word.startswith("--wd=") else '--wd="$PWD"' for word in node.namespaces.enter()]
    path = f"{_programs()}:$PATH:/usr/sbin:/sbin"
    wrapper = FOLDER / "enter"
    wrapper.write_text(f'#!/bin/sh\nKUBECONFIG={shlex.quote(str(node.kubeconfig))} PATH="{path}" exec {" ".join(words)} "$@"\n')
    wrapper.chmod(0o755)


def _programs() -> str:
    """kubectl and helm of this version, and our own, for a PATH."""
    return f"{tools.kube('kubectl').parent}:{tools.helm().parent}:{tools.REPO / 'build' / 'bin'}"


def _next_steps() -> str:
    enter = os.path.relpath(FOLDER / "enter")
    return f"""Kubernetes is running, in namespaces of its own; its data is in {FOLDER}, its logs in {LOGS}.

    KUBECONFIG={_kubeconfig()}

It works inside alone, so go there:

    {enter} kubectl get pods -A
    {enter} bash      # a shell with kubectl, helm and kubectl mesh-auth: the README's tour goes on from there
    make cluster-down
"""


def main() -> None:
    verbs = {"up": up, "down": down, "restart": restart}
    arguments = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if len(arguments) == 1 and arguments[0] in verbs:
            verbs[arguments[0]]()
        elif len(arguments) == 2 and arguments[0] == "up" and arguments[1].isdigit():
            up(float(arguments[1]))
        elif len(arguments) > 1 and arguments[0] == "exec":
            execute(arguments[1:])
        else:
            sys.exit("usage: e2e/cluster.py up [SECONDS] | down | restart | exec COMMAND...")
    except (AssertionError, RuntimeError, OSError) as error:
        sys.exit(f"cluster: {error}")


if __name__ == "__main__":
    main()
