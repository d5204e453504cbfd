"""A real node of Kubernetes on this machine: python e2e/node.py up | down | restart | exec COMMAND...

It runs in namespaces of its own: nothing of it is seen from outside, so commands that use it run through `exec`. Its
data is in build/node (or MESH_AUTH_NODE_DIR), and `down` takes away all of it, also after a crash.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path

from harness import tools
from harness.supervisor import Supervisor
from node import machine
from node.lifecycle import Node, remove
from node.namespaces import Namespaces

FOLDER = Path(os.environ.get("MESH_AUTH_NODE_DIR") or tools.REPO / "build" / "node").absolute()
LOGS = FOLDER.with_name(FOLDER.name + "-logs")


def up() -> None:
    if Namespaces(FOLDER).first_process():
        sys.exit(f"a node is running in {FOLDER}; `down` takes it away")
    node = _node()
    try:
        node.start()
    except BaseException:
        print(f"node: taking down what was started; its logs are in {LOGS}", file=sys.stderr)
        remove(FOLDER)
        raise
    archives = sorted((tools.REPO / "build" / "images").glob("*.tar"))
    for archive in archives:
        node.import_image(archive)
    _write_values(archives)
    _lay_wrapper(node)
    print(_next_steps())


def down() -> None:
    remove(FOLDER)


def restart() -> None:
    if not (FOLDER / "etcd").is_dir():
        sys.exit(f"there is no node in {FOLDER}: `up` starts one")
    node = _node()
    node.adopt()
    node.restart()
    _lay_wrapper(node)


def execute(command: list[str]) -> None:
    """Becomes the command, inside."""
    argv = Namespaces(FOLDER).enter(*command)
    argv[1] = f"--wd={os.getcwd()}"
    os.environ["KUBECONFIG"] = str(FOLDER / "pki" / "admin.kubeconfig")
    os.environ["PATH"] = f"{_programs()}:{machine.SEARCH}"
    os.execvp(argv[0], argv)


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


def _write_values(archives: list[Path]) -> None:
    """FOLDER/values.yaml: where the chart finds what was imported."""
    named = {archive.stem: f"localhost/nginx-mesh-auth/{archive.stem}" for archive in archives}
    if {"operator", "sidecar"} <= set(named):
        image = lambda name: f"{{repository: {named[name]}, pullPolicy: Never}}"  # noqa: E731
        text = f"image: {image('operator')}\ninjection:\n  image: {image('sidecar')}\n"
        (FOLDER / "values.yaml").write_text(text)


def _next_steps() -> str:
    return f"""A node of Kubernetes is running, in namespaces of its own; its data is in {FOLDER}, its logs in {LOGS}.

    KUBECONFIG={FOLDER / "pki" / "admin.kubeconfig"}   works inside alone:

    {FOLDER / "enter"} kubectl get pods -A
    {FOLDER / "enter"} bash      # a shell on it: docs/tutorials/real-cluster.md goes on from there
    make node-down
"""


def main() -> None:
    verbs = {"up": up, "down": down, "restart": restart}
    arguments = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if len(arguments) == 1 and arguments[0] in verbs:
            verbs[arguments[0]]()
        elif len(arguments) > 1 and arguments[0] == "exec":
            execute(arguments[1:])
        else:
            sys.exit("usage: e2e/node.py up | down | restart | exec COMMAND...")
    except (AssertionError, RuntimeError, OSError) as error:
        sys.exit(f"node: {error}")


if __name__ == "__main__":
    main()
