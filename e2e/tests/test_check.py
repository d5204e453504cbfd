"""meshauthctl check and status: a healthy mesh is healthy, and each thing that breaks is found and said with its remedy."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess

import pytest
import yaml

from harness import chart, client, tools
from harness.kubectl import write_kubeconfig
from harness.meshauthctl import Meshauthctl
from harness.resources import KINDS, READ, rule
from harness.supervisor import clean_environment
from harness.wait import await_until

pytestmark = pytest.mark.operator

OPERATOR = "mesh-auth-operator"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/mesh-auth-injector"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{chart.NAMESPACE}/deployments/{OPERATOR}"
LEASE = KINDS["lease"].path(chart.NAMESPACE, OPERATOR)


def machine_address():
    """An address of this machine that is none of loopback; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]


def patch(cluster, path, change):
    answer = cluster.api("PATCH", path, change, "application/merge-patch+json")
    assert answer.status == 200, f"patching {path}: {answer.status} {answer.text}"


def endpoint_slice(service, address, port, name):
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{service}-e2e", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": name, "port": port, "protocol": "TCP"}],
    }


def endpoints(service, address, port, name, pod):
    """What the API server's proxy goes by: an address that a pod has."""
    target = {"kind": "Pod", "name": pod, "namespace": chart.NAMESPACE}
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": service},
        "subsets": [{"addresses": [{"ip": address, "targetRef": target}], "ports": [{"name": name, "port": port}]}],
    }


def operator_pod(name):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "operator", "image": "localhost/none:1"}]},
    }


@pytest.fixture(scope="module")
def installed(cluster, workdir, operator_process):
    """What controllers and a kubelet would make of the chart around an operator that is a local process."""
    address = machine_address()
    operator_process.stop()
    operator_process.metrics_host = "0.0.0.0"
    operator_process.start()
    deployment = next(o for o in chart.render(workdir) if o["kind"] == "Deployment")
    metrics, fleet = f"{OPERATOR}-metrics", OPERATOR
    pod = f"{OPERATOR}-0"
    made = [
        deployment,
        operator_pod(pod),
        endpoint_slice(metrics, address, operator_process.metrics_port, "metrics"),
        endpoints(metrics, address, operator_process.metrics_port, "metrics", pod),
        endpoint_slice(fleet, address, operator_process.webhook_port, "webhook"),
    ]
    cluster.namespace(chart.NAMESPACE)
    cluster.kubectl("apply", "-n", chart.NAMESPACE, "-f", "-", stdin=yaml.safe_dump_all(made))
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    patch(cluster, KINDS["pod"].path(chart.NAMESPACE, pod) + "/status", {"status": status})
    patch(cluster, DEPLOYMENT + "/status", {"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}})
    await_until("the API server believes the webhook", lambda: "caBundle" in cluster.api("GET", CONFIGURATION).text, 30)
    yield operator_process
    cluster.kubectl("delete", "--force", "-n", chart.NAMESPACE, "-f", "-", stdin=yaml.safe_dump_all(made))
    operator_process.stop()
    operator_process.metrics_host = "127.0.0.1"


@pytest.fixture(scope="module")
def checker(cluster, workdir, installed):
    """meshauthctl as somebody who has ClusterRole mesh-auth-check and nothing else."""
    cluster.kubectl("create", "serviceaccount", "checker", "-n", chart.NAMESPACE)
    subject = f"--serviceaccount={chart.NAMESPACE}:checker"
    cluster.kubectl("create", "clusterrolebinding", "e2e-checker", "--clusterrole=mesh-auth-check", subject)
    yield Meshauthctl(chart.restricted_kubeconfig(cluster, "checker", workdir / "checker.kubeconfig"), workdir)
    cluster.kubectl("delete", "clusterrolebinding", "e2e-checker")
    cluster.kubectl("delete", "serviceaccount", "checker", "-n", chart.NAMESPACE)


@pytest.fixture
def orders(installed, mesh, oidc):
    """Workload orders with a provider, a policy and a sidecar, all in order."""
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    sidecar = mesh.sidecar()
    mesh.ns.await_condition("accesspolicy", "readers", "Programmed", within=30)
    mesh.ready("identityprovider", "idp")
    return sidecar


def found(checker, id, *args, says=(), severity="error"):
    """Awaits the finding; asserts that it has what a finding has, and gives all that was found."""

    def probe():
        answer = checker.check(*args)
        findings = answer.findings()
        assert id in findings, f"found {sorted(findings)}; {answer.err}"
        return answer, findings

    answer, findings = await_until(f"meshauthctl check finds {id}", probe, within=30, every=0.5)
    one = findings[id][0]
    assert one["severity"] == severity and one["remedy"] and one["found"], one
    for word in [says] if isinstance(says, str) else says:
        assert word in json.dumps(one), one
    page, anchor = one["link"].split("#")
    assert f"\n## {anchor}\n" in (tools.REPO / page).read_text()
    errors = [f for f in answer.json()["findings"] if f["severity"] == "error"]
    assert answer.code == (1 if errors else 0)
    return findings


@contextlib.contextmanager
def stream(mesh, pod, authority):
    """An open stream of the pod, as its sidecar would hold it."""
    port = mesh.operator.fleet_port
    context = ssl.create_default_context(cafile=str(authority))
    request = f"GET /v1/workloads/{mesh.ns.name}/{pod.workload}/stream HTTP/1.1\r\nHost: localhost\r\n"
    request += f"Accept: text/event-stream\r\nAuthorization: Bearer {pod.token()}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(request.encode())
            assert b" 200 " in connection.recv(65536).split(b"\r\n")[0]
            yield


# --- in order


def test_a_healthy_mesh_has_no_findings(checker, orders):
    """With the rights of mesh-auth-check alone, and over all namespaces."""
    answer = checker.check()
    assert answer.json()["findings"] == [], answer.out
    assert answer.code == 0
    assert answer.json()["checked"]["sidecars"] == 1
    table = checker("check", "--all-namespaces")
    assert (table.code, table.out) == (0, "")
    assert re.search(r"1 identity provider, 1 access policy, 1 sidecar. Found: 0 errors, 0 warnings, 0 info", table.err)


def test_kubectl_finds_it_as_a_plug_in(checker, orders, cluster):
    env = clean_environment({"PATH": str(tools.program("meshauthctl").parent)})
    argv = [str(cluster.kubectl.program), "mesh-auth", "check", f"--kubeconfig={checker.kubeconfig}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0 and "Found: 0 errors" in done.stderr, done.stderr


def test_status_has_a_row_for_each_sidecar(checker, orders, mesh):
    answer = checker("status", "-n", mesh.ns.name)
    assert answer.code == 0, answer.err
    header, row = answer.out.splitlines()
    assert header.split() == ["NAMESPACE", "WORKLOAD", "POD", "NODE", "REVISION", "AGE", "STATE"]
    assert row.split()[:4] == [mesh.ns.name, "orders", orders.pod.name, "<none>"]
    assert row.split()[6] == "Current"
    (told,) = checker("status", "-n", mesh.ns.name, "-o", "json").json()["sidecars"]
    assert told["state"] == "Current" and told["revision"] == told["currentRevision"]
    assert told["revision"].startswith(row.split()[4]) and told["ageSeconds"] >= 0
    record = mesh.ns.get("configmap", "mesh-auth-orders")
    assert told["revision"] == record["metadata"]["annotations"]["meshauth.dev/revision"]


def test_status_tells_who_is_not_connected(checker, orders, mesh):
    never = mesh.ns.create_pod("orders")
    orders.stop()

    def states():
        answer = checker("status", "-n", mesh.ns.name, "-o", "json")
        return {one["pod"]: one["state"] for one in answer.json()["sidecars"]}

    wanted = {never.name: "NeverConnected", orders.pod.name: "Disconnected"}
    await_until("status tells both", lambda: states() == wanted, within=20)
    found(checker, "sidecar-disconnected", "-n", mesh.ns.name, says=orders.pod.name, severity="warning")


def test_status_tells_a_refusal_and_its_reason(checker, mesh, installed, oidc, tmp_path):
    """A sidecar that streams and refuses what comes."""
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    pod = mesh.ns.create_pod("orders")
    trust = json.loads(mesh.ns.await_exists("configmap", "meshauth.trust")["data"]["trust.json"])
    authority = tmp_path / "fleet-ca.pem"
    authority.write_text("\n".join(trust["certificateAuthorities"]))
    record = mesh.ns.await_exists("configmap", "mesh-auth-orders")
    revision = record["metadata"]["annotations"]["meshauth.dev/revision"]
    with stream(mesh, pod, authority):
        body = {"revision": revision, "outcome": "refused", "detail": "nginx -t: no"}
        ack = f"{mesh.operator.fleet_url}/v1/workloads/{mesh.ns.name}/orders/ack"
        headers = {"Authorization": f"Bearer {pod.token()}"}
        assert client.post(ack, headers=headers, json=body, authority=authority).status == 204

        def refused():
            row = checker("status", "-n", mesh.ns.name).out.splitlines()[1]
            return row.endswith("Refused: nginx -t: no")

        await_until("status tells the refusal", refused)
        found(checker, "sidecar-refused", "-n", mesh.ns.name, says=["nginx -t: no", revision[:12]])


# --- broken


def test_a_dead_leader_is_found(checker, orders, installed):
    installed.kill()
    findings = found(checker, "lease-expired", says="it is good for 15s")
    assert "fleet-unreadable" in findings
    assert checker("status").code == 1


def test_an_operator_that_ended_is_found(checker, orders, installed):
    installed.stop()
    found(checker, "lease-unheld", says=f"kubectl scale -n {chart.NAMESPACE}")


def test_a_definition_of_another_release_is_found(checker, installed, operator, cluster):
    name = "accesspolicies.meshauth.dev"
    path = KINDS["crd"].path(None, name)
    right = cluster.find("crd", name)["spec"]["versions"]
    older = json.loads(json.dumps(right))
    del older[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["mode"]
    patch(cluster, path, {"spec": {"versions": older}})
    try:
        found(checker, "crd-schema", says=[name, "it lacks spec.mode"], severity="warning")
    finally:
        patch(cluster, path, {"spec": {"versions": right}})
    await_until("it is right again", lambda: "crd-schema" not in checker.check().findings(), 30, every=0.5)


def test_an_operator_without_a_ready_replica_is_found(checker, installed, operator, cluster):
    status = {"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}}
    patch(cluster, DEPLOYMENT + "/status", {"status": {"readyReplicas": 0, "availableReplicas": 0}})
    try:
        found(checker, "operator-unavailable", says="none is available")
    finally:
        patch(cluster, DEPLOYMENT + "/status", status)


def test_an_operator_of_another_release_is_found(checker, installed, operator, cluster):
    label = "app.kubernetes.io/version"
    right = cluster.api("GET", DEPLOYMENT).json()["metadata"]["labels"][label]
    patch(cluster, DEPLOYMENT, {"metadata": {"labels": {label: "0.0.1"}}})
    try:
        found(checker, "operator-version", says="release 0.0.1", severity="warning")
    finally:
        patch(cluster, DEPLOYMENT, {"metadata": {"labels": {label: right}}})


def test_what_is_wrong_with_the_webhook_is_found(checker, installed, operator, cluster, workdir):
    made = yaml.safe_dump_all([o for o in chart.render(workdir) if o["kind"] == "MutatingWebhookConfiguration"])
    cluster.api("DELETE", CONFIGURATION)
    try:
        found(checker, "webhook-missing")
        cluster.kubectl("apply", "-f", "-", stdin=made.replace("failurePolicy: Fail", "failurePolicy: Ignore"))
        found(checker, "webhook-fails-open", says="Ignore", severity="warning")
    finally:
        cluster.kubectl("apply", "-f", "-", stdin=made)
    await_until("the API server believes it again", lambda: "caBundle" in cluster.api("GET", CONFIGURATION).text, 30)
    service = f"/apis/discovery.k8s.io/v1/namespaces/{chart.NAMESPACE}/endpointslices/{OPERATOR}-e2e"
    right = cluster.api("GET", service).json()["endpoints"]
    patch(cluster, service, {"endpoints": [right[0] | {"conditions": {"ready": False}}]})
    try:
        found(checker, "webhook-no-endpoints", says=OPERATOR)
    finally:
        patch(cluster, service, {"endpoints": right})


def test_a_provider_that_cannot_be_reached_is_found(checker, orders, mesh):
    mesh.ns.edit("identityprovider", "idp", {"spec": {"discovery": {"url": "https://localhost:1/nothing"}}})
    findings = found(checker, "provider-keys", "-n", mesh.ns.name, says=["ConnectFailed", f"-n {mesh.ns.name} idp"])
    assert "provider-invalid" not in findings


def test_policies_that_are_not_in_force_are_found(checker, orders, mesh):
    mesh.policy("lost", rule("read", {"identityProvider": {"name": "nobody"}}))
    mesh.policy("elsewhere", rule("read", READ), workloads=["users"])
    mesh.ns.await_condition("accesspolicy", "lost", "ResolvedRefs", "False")
    mesh.ns.await_condition("accesspolicy", "elsewhere", "Programmed", "False")
    findings = found(checker, "policy-unresolved", "-n", mesh.ns.name, says="nobody")
    assert [one["object"]["name"] for one in findings["policy-no-sidecars"]] == ["elsewhere"]


def test_a_namespace_whose_trust_cannot_be_used_is_found(checker, orders, mesh, installed):
    installed.stop()  # it would put it back
    mesh.ns.edit("configmap", "meshauth.trust", {"data": {"trust.json": "{}"}})
    found(checker, "trust-unreadable", "-n", mesh.ns.name)
    mesh.ns.delete("configmap", "meshauth.trust")
    found(checker, "trust-missing", "-n", mesh.ns.name)


def test_a_pod_that_was_there_before_its_namespace_was_labelled_is_found(checker, installed, operator, ns):
    pod = ns.create_pod("orders", labels={})
    ns.edit_labels({"meshauth.dev/inject": "enabled"})
    found(checker, "pod-without-sidecar", says=f"kubectl delete pod -n {ns.name} {pod.name}")
    found(checker, "pod-without-sidecar", "-n", ns.name)


FOREIGN = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: accesspolicies.gateway.example.org}
spec:
  group: gateway.example.org
  scope: Namespaced
  names: {kind: AccessPolicy, plural: accesspolicies, singular: accesspolicy}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


def test_another_group_with_our_plural_is_found(checker, orders, cluster):
    cluster.kubectl("apply", "-f", "-", stdin=FOREIGN)
    try:
        says = ["accesspolicies.gateway.example.org", "kubectl get accesspolicies.meshauth.dev"]
        found(checker, "plural-ambiguous", says=says, severity="warning")
    finally:
        cluster.kubectl("delete", "-f", "-", stdin=FOREIGN)
    await_until("it is forgotten", lambda: "plural-ambiguous" not in checker.check().findings(), 30, every=0.5)


# --- who may, and what answers


def test_each_right_that_is_missing_is_named_and_the_rest_is_checked(checker, orders, mesh, cluster, tmp_path):
    """Of a mesh whose policies alone may be seen."""
    mesh.policy("lost", rule("read", {"identityProvider": {"name": "nobody"}}))
    mesh.ns.await_condition("accesspolicy", "lost", "ResolvedRefs", "False")
    cluster.kubectl("create", "role", "few", "-n", mesh.ns.name, "--verb=list", "--resource=accesspolicies.meshauth.dev")
    account = f"--serviceaccount={chart.NAMESPACE}:few"
    cluster.kubectl("create", "rolebinding", "few", "-n", mesh.ns.name, "--role=few", account)
    cluster.kubectl("create", "serviceaccount", "few", "-n", chart.NAMESPACE)
    try:
        few = Meshauthctl(chart.restricted_kubeconfig(cluster, "few", tmp_path / "few.kubeconfig"), tmp_path)
        answer = few.check("-n", mesh.ns.name)
    finally:
        cluster.kubectl("delete", "serviceaccount", "few", "-n", chart.NAMESPACE)
    assert answer.code == 1
    said = " / ".join(one["found"] for one in answer.findings()["permission-missing"])
    for right in [
        f"list pods in namespace {mesh.ns.name}",
        "get services/proxy mesh-auth-operator-metrics:metrics",
        "get customresourcedefinitions.apiextensions.k8s.io",
        f"get leases.coordination.k8s.io {OPERATOR} in namespace {chart.NAMESPACE}",
        f"list identityproviders.meshauth.dev in namespace {mesh.ns.name}",
    ]:
        assert f"you may not {right}" in said, said
    assert [one["object"]["name"] for one in answer.findings()["policy-unresolved"]] == ["lost"]
    assert "accesspolicies.meshauth.dev in" not in said


def test_an_api_server_that_is_not_there_is_said(checker, cluster, tmp_path):
    away = write_kubeconfig(tmp_path / "away", "https://localhost:1", cluster.plane.authority, "token")
    for command in ("check", "status"):
        answer = checker(command, kubeconfig=away)
        assert (answer.code, answer.out) == (1, "")
        assert answer.err.startswith("the API server https://localhost:1 cannot be reached: "), answer.err


def test_an_api_server_that_does_not_know_us_is_said(checker, cluster, tmp_path):
    wrong = write_kubeconfig(tmp_path / "wrong", cluster.server, cluster.plane.authority, "no-such-token")
    answer = checker("check", kubeconfig=wrong)
    assert answer.code == 1 and "does not know who asks" in answer.err, answer.err


def test_a_silent_api_server_does_not_hold_it_up(checker, cluster, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"https://localhost:{silent.getsockname()[1]}"
        kubeconfig = write_kubeconfig(tmp_path / "silent", server, cluster.plane.authority, "token")
        answer = checker("check", "--timeout", "2s", kubeconfig=kubeconfig)
    assert answer.code == 1 and "cannot be reached" in answer.err, answer.err


@pytest.mark.parametrize("args", [("-o", "yaml"), ("--timeout", "never"), ("-A", "-n", "x"), ("--nothing",)], ids=str)
def test_wrong_usage_is_2(checker, args):
    assert checker("check", *args).code == 2


def test_roles_that_come_with_kubernetes_get_no_way_through_services(workdir, cluster, installed):
    """services/proxy in role view would open every Service of a namespace to whoever may look at it."""
    for role in [o for o in chart.render(workdir) if o["kind"] == "ClusterRole"]:
        if any("aggregate" in label for label in role["metadata"]["labels"]):
            assert "services/proxy" not in str(role["rules"])
