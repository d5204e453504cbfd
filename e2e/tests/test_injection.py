"""Sidecars put into pods by the webhook, as the real API server calls it: into which, what it puts there, and when it is down."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import subprocess

import pytest
import yaml
from cryptography import x509

from harness import chart, client, injection, tools, upstream
from harness.namespace import Pod
from harness.sidecar import write_trust
from harness.supervisor import clean_environment
from harness.wait import await_until

pytestmark = pytest.mark.operator

ENABLED = injection.ENABLED
DISABLED = {"meshauth.dev/inject": "disabled"}
ORDERS = injection.ORDERS


def test_a_pod_of_a_labelled_namespace_gets_the_sidecar_and_then_a_bundle(meshed):
    pod = injection.created(meshed, injection.pod(labels=ORDERS))
    (sidecar,) = injection.sidecars(pod)
    assert sidecar["image"] == "localhost/sidecar:1" and sidecar["restartPolicy"] == "Always"
    assert sidecar["resources"]["requests"] and sidecar["resources"]["limits"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(sidecar)
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["mesh-auth-record"]["configMap"] == {
        "name": "mesh-auth-orders", "optional": True, "defaultMode": 0o444,
    }
    assert volumes["mesh-auth-live"]["emptyDir"]["medium"] == "Memory"
    token = volumes["mesh-auth-token"]["projected"]["sources"][0]["serviceAccountToken"]
    assert token["audience"] == "mesh-auth"
    assert not [mount for mount in sidecar["volumeMounts"] if mount.get("subPath")]
    # Its own token alone: the API server mounts the application's into the application alone.
    assert "kube-api-access" not in json.dumps(sidecar)
    assert "kube-api-access" in json.dumps(pod["spec"]["containers"][0])
    # Where Services may lead is said to those who see metadata alone.
    said = json.loads(pod["metadata"]["annotations"]["meshauth.dev/injected"])
    assert said == {"capture": "Explicit", "ports": "8080:8080", "names": {"mesh-auth-probe": 9180}}
    # It is one of the operator's from now on.
    meshed.await_exists("configmap", "mesh-auth-orders")


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_namespace_that_enforces_pod_security_admits_it(cluster, webhook, level):
    labels = ENABLED | {"pod-security.kubernetes.io/enforce": level}
    with cluster.temporary_namespace(level, labels) as space:
        secure = {
            "allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        low = {"meshauth.dev/ports": "80:8080"}
        assert injection.sidecars(injection.created(space, injection.pod(labels=ORDERS, securityContext=secure, annotations=low)))
        # The level that is enforced is the namespace's, not the pod's to say.
        transparent = injection.pod("t", ORDERS, annotations={"meshauth.dev/capture": "Transparent"}, securityContext=secure)
        said = await_until("the refusal names the level", lambda: _refused(space, transparent, level))
        assert "NET_ADMIN" in said


def _refused(space, manifest, *said):
    answer = injection.create(space, manifest)
    assert answer.status in (400, 403, 422), f"should have been refused: {answer.status} {answer.text}"
    for part in said:
        assert part in answer.json()["message"]
    return answer.json()["message"]


def test_labels_say_who_gets_one(cluster, ns, meshed):
    untouched = injection.created(ns, injection.pod("plain", ORDERS))
    assert not injection.sidecars(untouched) and "annotations" not in untouched["metadata"]
    assert injection.sidecars(injection.created(ns, injection.pod("asked", ORDERS | ENABLED)))
    assert not injection.sidecars(injection.created(meshed, injection.pod("opted-out", ORDERS | DISABLED)))
    assert injection.sidecars(injection.created(meshed, injection.pod("asked-twice", ORDERS | ENABLED)))
    with cluster.temporary_namespace("off", DISABLED) as space:
        assert not injection.sidecars(injection.created(space, injection.pod("plain", ORDERS)))


def test_the_workload_is_called_after_the_owner(meshed):
    def workload(name, labels=None, owner=None):
        return injection.created(meshed, injection.pod(name, labels, owner))["metadata"]["labels"]["meshauth.dev/workload"]

    # As the controller of a Deployment's ReplicaSet makes them.
    hash = {"pod-template-hash": "7d9c5bf6d"}
    assert workload("a", hash, ("ReplicaSet", "orders-7d9c5bf6d")) == "orders"
    assert workload("b", {}, ("StatefulSet", "ledger")) == "ledger"
    assert workload("c", ORDERS | hash, ("ReplicaSet", "other-7d9c5bf6d")) == "orders"
    _refused(meshed, injection.pod("d"), "label meshauth.dev/workload is missing")


@pytest.mark.parametrize(
    ("annotations", "says"),
    [
        ({"meshauth.dev/ports": "http"}, 'annotation meshauth.dev/ports is \\"http\\"'),
        ({"meshauth.dev/port": "8080"}, "is not known; known are meshauth.dev/ports"),
        ({"meshauth.dev/flavour": "NginxPlus"}, "Module or AuthRequest would be right"),
        ({"meshauth.dev/inject": "disabled"}, "it is a label"),
    ],
    ids=["ports", "misspelt", "flavour", "no-label"],
)
def test_a_wrong_annotation_is_refused_by_name(meshed, annotations, says):
    said = meshed.rejects(injection.pod(labels=ORDERS, annotations=annotations))
    assert says.replace('\\"', '"') in said.replace('\\"', '"')


def test_with_the_webhook_down_labelled_pods_are_refused_and_others_are_not(cluster, ns, meshed, webhook):
    webhook.stop()
    refused = injection.create(meshed, injection.pod("a", ORDERS))
    assert refused.status == 500 and "failed calling webhook" in refused.text
    refused = injection.create(ns, injection.pod("b", ORDERS | ENABLED))
    assert refused.status == 500 and "failed calling webhook" in refused.text
    injection.created(ns, injection.pod("c", ORDERS))
    injection.created(meshed, injection.pod("d", ORDERS | DISABLED))
    webhook.start()
    assert injection.sidecars(injection.created(meshed, injection.pod("e", ORDERS)))


def test_its_certificate_is_renewed_while_pods_go_on_being_created(cluster, meshed, webhook):
    webhook.stop()
    webhook.start("--webhook-certificate-lifetime=10s")
    seen = set()

    def renewed_twice():
        name = f"orders-{len(meshed.list('pod'))}"
        assert injection.sidecars(injection.created(meshed, injection.pod(name, ORDERS))), name
        seen.add(ssl.get_server_certificate(("127.0.0.1", webhook.webhook_port)))
        return len(seen) >= 3

    # An assertion inside must end it, not be waited out: a pod that is not admitted is the failure.
    failures = []

    def probe():
        try:
            return renewed_twice()
        except AssertionError as failure:
            failures.append(failure)
            return True

    await_until("two more certificates were served", probe, within=40, every=0.2)
    webhook.stop()
    assert not failures


def test_a_new_authority_of_the_fleet_fails_no_review(cluster, meshed, webhook):
    def phase():
        """The later one, where it is about to change."""
        name, phases = "mesh_auth_mesh_key_rotation_phase", ("steady", "announced", "switched")
        found = [p for p in phases if webhook.metric(name, key="ca", phase=p) == 1]
        return found[0] if len(found) == 1 else seen[-1]

    webhook.stop()
    # The pods are objects alone: nobody says that a sidecar trusts the next authority.
    webhook.start("--key-confirm-timeout=8s", "--key-overlap=10s")
    injection.await_authority(cluster)
    cluster.kubectl(
        "annotate", "--overwrite", "-n", chart.NAMESPACE, "secret", "mesh-auth-keys", "meshauth.dev/rotate=ca"
    )
    seen, issuers, failures = ["steady"], set(), []

    def over():
        try:
            assert injection.sidecars(injection.created(meshed, injection.pod(f"orders-{len(meshed.list('pod'))}", ORDERS)))
        except AssertionError as failure:  # it must end the wait, not be waited out
            failures.append(failure)
        now = phase()
        if now != seen[-1]:
            seen.append(now)
        pem = ssl.get_server_certificate(("127.0.0.1", webhook.webhook_port))
        issuers.add(x509.load_pem_x509_certificate(pem.encode()).issuer.rfc4514_string())
        return failures or (now == "steady" and len(seen) > 1)

    await_until("the authority is replaced", over, within=90, every=0.2)
    assert not failures

    def authorities():
        hooks = cluster.api("GET", injection.CONFIGURATION).json()["webhooks"]
        return {base64.b64decode(hook["clientConfig"]["caBundle"]).count(b"BEGIN CERTIFICATE") for hook in hooks}

    await_until("the API server believes the new one alone", lambda: authorities() == {1}, within=20)
    assert injection.sidecars(injection.created(meshed, injection.pod("afterwards", ORDERS)))
    webhook.stop()
    assert seen[-3:] == ["announced", "switched", "steady"] and len(issuers) == 2


def test_an_authority_that_somebody_took_away_comes_back(cluster, webhook):
    hooks = cluster.api("GET", injection.CONFIGURATION).json()["webhooks"]
    remove = [{"op": "remove", "path": f"/webhooks/{index}/clientConfig/caBundle"} for index in range(len(hooks))]
    answer = cluster.api("PATCH", injection.CONFIGURATION, remove, "application/json-patch+json")
    assert answer.status == 200
    injection.await_authority(cluster)


def test_what_meshauthctl_injects_the_webhook_leaves_as_it_is(cluster, workdir, meshed):
    manifest = yaml.safe_dump(injection.pod(labels=ORDERS, readinessProbe={"httpGet": {"path": "/", "port": 8080}}))
    argv = [str(tools.program("meshauthctl")), "inject", "-f", "-", "--image=localhost/sidecar:1"]
    done = subprocess.run(
        argv, input=manifest, capture_output=True, text=True, timeout=30, env=clean_environment({"HOME": str(workdir)})
    )
    assert done.returncode == 0, done.stderr
    pod, policy = yaml.safe_load_all(done.stdout)
    assert policy["kind"] == "NetworkPolicy"
    meshed.cluster.kubectl(
        "apply", "-n", meshed.name, "--dry-run=server", "--validate=strict", "-f", "-", stdin=done.stdout
    )
    (offline,) = injection.sidecars(pod)
    (taken,) = injection.sidecars(injection.created(meshed, pod))
    assert taken["args"] == offline["args"] and taken["volumeMounts"][:4] == offline["volumeMounts"][:4]


def test_metrics_say_what_came_of_reviews(meshed, webhook):
    before = {outcome: webhook.metric("mesh_auth_admissions_total", outcome=outcome) for outcome in ("injected", "refused")}
    injection.created(meshed, injection.pod("a", ORDERS))
    _refused(meshed, injection.pod("b"))
    for outcome, count in before.items():
        webhook.await_metric("mesh_auth_admissions_total", count + 1, outcome=outcome)
    assert webhook.metric("mesh_auth_admission_seconds_count") >= 2


@pytest.mark.sidecar
def test_an_injected_sidecar_starts_with_its_flags_and_holds_the_application_s_port(
    supervisor, workdir, meshed, webhook
):
    application = upstream.start(supervisor)
    probe = {"httpGet": {"path": "/ready", "port": application}}
    made = injection.created(
        meshed, injection.pod(labels=ORDERS, ports=[{"containerPort": application}], readinessProbe=probe, livenessProbe=probe)
    )
    (sidecar,) = injection.sidecars(made)
    folder = workdir / "injected"
    (folder / "record").mkdir(parents=True)
    (folder / "live").mkdir()
    (folder / "token").write_text(Pod(meshed, "orders-1", "orders", "default").token())
    write_trust(meshed, folder / "trust.json")
    # What a kubelet would do: another address than the application's for the pod, and the volumes.
    address = "127.0.0.2"
    replaced = {
        "$(POD_IP)": address,
        "$(POD_NAMESPACE)": meshed.name,
        "/var/run/secrets/kubernetes.io/serviceaccount/token": str(folder / "token"),
        "/var/run/mesh-auth/trust": str(folder),
        "/var/run/mesh-auth": str(folder),
        "https://mesh-auth-operator.mesh-auth-system.svc:8443": webhook.fleet_url,
        "$$": "$",
    }
    argv = [str(tools.program("mesh-auth-agent"))]
    for argument in sidecar["args"]:
        for text, value in replaced.items():
            argument = argument.replace(text, value)
        argv.append(argument)
    argv += [f"--nginx={tools.nginx()}", f"--module={tools.nginx_module()}", f"--templates={tools.REPO / 'templates'}"]
    agent = f"http://{address}:9180"

    def probes(container, port):
        return {
            name: client.get(f"http://{address}:{port}{container[name]['httpGet']['path']}").status
            for name in ("startupProbe", "livenessProbe", "readinessProbe")
            if name in container
        }

    process = supervisor.start(
        "sidecar-injected", argv, cwd=folder, ready=lambda: client.get(f"{agent}/startz").status == 200
    )
    with contextlib.ExitStack() as stack:
        stack.callback(supervisor.stop, process)
        await_until("its readiness probe passes", lambda: probes(sidecar, 9180)["readinessProbe"] == 200)
        assert set(probes(sidecar, 9180).values()) == {200}
        # The same port: nobody may pass without a policy, and the application's own probes do.
        assert client.get(f"http://{address}:{application}/orders").status == 403
        assert set(probes(made["spec"]["containers"][0], 9180).values()) == {200}
        assert client.get(f"{agent}/probe/app/other").status == 404
