"""A local control plane to try things on: python e2e/control_plane.py up | down (make control-plane, make control-plane-down).

`up` leaves running: etcd, kube-apiserver, our CRDs and the chart's rights, the operator, the development provider, an
application that echoes, and one pod object of workload `orders` with its sidecar. All of it listens on loopback; all
of it, with its state, is under build/control-plane (or MESH_AUTH_CONTROL_PLANE_DIR), and `down` takes it away.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from harness import chart, client, cluster, procfs, tools, upstream
from harness.cluster import Cluster
from harness.operator import Operator
from harness.ports import is_listening
from harness.sidecar import Sidecar
from harness.supervisor import Process, Supervisor
from harness.wait import await_until

FOLDER = Path(os.environ.get("MESH_AUTH_CONTROL_PLANE_DIR") or tools.REPO / "build" / "control-plane").absolute()
RECORD = FOLDER / "processes.json"
ISSUER_PORT = 8444  # examples/control-plane names it
SIDECAR_PORT = 8080  # docs/tutorials/control-plane.md names it
NAMESPACE = "shop"
WORKLOAD = "orders"
_WEEK = 7 * 24 * 3600


class Record:
    """Which processes are ours, kept on disk from the moment that each is started."""

    def __init__(self, entries: list[dict] | None = None) -> None:
        self.entries = entries or []

    @classmethod
    def load(cls) -> Record:
        return cls(json.loads(RECORD.read_text())) if RECORD.exists() else cls()

    def add(self, process: Process) -> None:
        self.entries.append({"name": process.name, "pid": process.pid, "started": process.started})
        RECORD.write_text(json.dumps(self.entries, indent=1) + "\n")

    def running(self) -> list[dict]:
        return [entry for entry in self.entries if procfs.is_running(entry["pid"], entry["started"])]

    def end_all(self) -> None:
        """The newest first. A pid that is somebody else's by now is left alone."""
        for entry in reversed(self.entries):
            procfs.end_session(entry["pid"], entry["started"])


def up() -> None:
    record = Record.load()
    if record.entries and len(record.running()) == len(record.entries):
        print(f"already running; `make control-plane-down` takes it away.\n\n{_next_steps()}")
        return
    for name in ("mesh-auth-operator", "mesh-auth-agent", "meshauthctl"):
        tools.program(name)
    tools.nginx_module()
    down()
    for port, what in ((ISSUER_PORT, "the development provider"), (SIDECAR_PORT, "the sidecar")):
        if is_listening(port):
            sys.exit(f"port {port} of 127.0.0.1 is taken, and {what} needs it: free it and try again")
    FOLDER.mkdir(parents=True)
    record = Record()
    supervisor = Supervisor(FOLDER / "logs", guarded=False, on_start=record.add)
    try:
        _start(supervisor)
    except BaseException:
        print(f"control plane: taking down what was started; its logs are in {_keep_logs()}", file=sys.stderr)
        down()
        raise
    print(_next_steps())


def down() -> None:
    Record.load().end_all()
    shutil.rmtree(FOLDER, ignore_errors=True)


def _start(supervisor: Supervisor) -> None:
    _say("control plane: etcd and kube-apiserver")
    made = cluster.start(supervisor, FOLDER / "state")
    shutil.copy(made.kubectl.kubeconfig, FOLDER / "kubeconfig")
    _lay_programs()

    _say("CRDs, and the rights of the chart's service account")
    made.kubectl("apply", "--server-side", "-f", str(tools.REPO / "crds"))
    account = chart.install_rights(made, FOLDER / "state")

    _say("development provider")
    authority = _start_provider(supervisor)

    _say("operator")
    operator_folder = FOLDER / "state" / "operator"
    operator_folder.mkdir()
    kubeconfig = chart.restricted_kubeconfig(made, account, FOLDER / "state" / "operator.kubeconfig")
    operator = Operator(supervisor, made, operator_folder, kubeconfig)
    operator.environment = {"SSL_CERT_FILE": str(authority)}
    operator.start()

    _say(f"workload {NAMESPACE}/{WORKLOAD}: an application and its sidecar")
    _start_workload(supervisor, made, operator)


def _start_provider(supervisor: Supervisor) -> Path:
    """Its certificate authority."""
    state = FOLDER / "dev-idp"
    issuer = f"https://127.0.0.1:{ISSUER_PORT}"
    argv = [tools.program("meshauthctl"), "dev-idp", "--listen", f"127.0.0.1:{ISSUER_PORT}"]
    argv += ["--issuer", issuer, "--state", state]
    authority = state / "ca.pem"

    def ready() -> bool:
        return client.get(f"{issuer}/.well-known/openid-configuration", authority=authority).status == 200

    supervisor.start("dev-idp", argv, ready=ready)
    return authority


def _start_workload(supervisor: Supervisor, made: Cluster, operator: Operator) -> None:
    made.kubectl("apply", "-f", str(tools.REPO / "examples" / "control-plane" / "00-namespace.yaml"))
    space = made.namespace(NAMESPACE)
    pod = space.create_pod(WORKLOAD, f"{WORKLOAD}-0")
    application = upstream.start(supervisor)
    sidecar = Sidecar(
        supervisor,
        FOLDER / "sidecar",
        pod,
        operator.fleet_url,
        application,
        port=SIDECAR_PORT,
        token_seconds=_WEEK,
    )
    sidecar.start()
    await_until("the sidecar has a bundle and answers", lambda: sidecar.ask("/orders").status in (401, 403), within=30)


def _lay_programs() -> None:
    """build/control-plane/bin for the caller's PATH: the kubectl of this version, meshauthctl and its kubectl plugin."""
    folder = FOLDER / "bin"
    folder.mkdir()
    (folder / "kubectl").symlink_to(tools.kube("kubectl"))
    (folder / "meshauthctl").symlink_to(tools.program("meshauthctl"))
    (folder / "kubectl-mesh_auth").symlink_to(tools.program("meshauthctl"))
    where = f'export KUBECONFIG="{FOLDER / "kubeconfig"}"\nexport PATH="{folder}:$PATH"\n'
    (FOLDER / "env").write_text(where)


def _keep_logs() -> Path:
    kept = FOLDER.with_name(FOLDER.name + "-failed-logs")
    shutil.rmtree(kept, ignore_errors=True)
    if (FOLDER / "logs").is_dir():
        shutil.copytree(FOLDER / "logs", kept)
    return kept


def _next_steps() -> str:
    env, issuer = (os.path.relpath(FOLDER / name) for name in ("env", "dev-idp/ca.pem"))
    return f"""A local control plane is running. Everything listens on loopback and lives under {FOLDER}.

    KUBECONFIG={FOLDER / "kubeconfig"}

Next, in this folder:

    . {env}
    kubectl apply -f examples/control-plane
    kubectl get idprov,accpol -A
    kubectl wait -n {NAMESPACE} --for=condition=Ready idprov/dev accpol/orders
    curl -i http://127.0.0.1:{SIDECAR_PORT}/orders/7
    TOKEN=$(curl -s --cacert {issuer} https://127.0.0.1:{ISSUER_PORT}/token \\
      -H 'Content-Type: application/json' -d '{{"claims": {{"sub": "ann", "aud": "orders", "scope": "orders:read"}}}}' | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
    curl -i -H "Authorization: Bearer $TOKEN" http://127.0.0.1:{SIDECAR_PORT}/orders/7
    make control-plane-down
"""


def _say(text: str) -> None:
    print(f"control plane: {text}", flush=True)


def main() -> None:
    commands = {"up": up, "down": down}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit("usage: e2e/control_plane.py up|down")
    os.environ.pop("E2E_KUBECONFIG", None)  # this one is always ours
    os.environ.pop("E2E_CONTEXT", None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        commands[sys.argv[1]]()
    except (AssertionError, RuntimeError, OSError) as error:
        sys.exit(f"control plane: {error}")


if __name__ == "__main__":
    main()
