"""Starting the operator where something is wrong: a message that says what to do, or waiting where that can help."""

from __future__ import annotations

import re

import pytest

from harness import chart, tools
from harness.kubectl import write_kubeconfig
from harness.operator import Operator
from harness.resources import KINDS, READ, access_policy, caller, identity_provider, rule
from harness.wait import await_until

pytestmark = pytest.mark.operator


def _run(supervisor, name, *args):
    """Runs the operator to its end; (exit code, what it said)."""
    process = supervisor.start(name, [tools.program("mesh-auth-operator"), *args])
    try:
        return process.exit_code(within=20), process.output()
    finally:
        supervisor.stop(process)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--no-such-flag"], "no-such-flag"),
        (["--default-action=Maybe"], "Allow"),
        (["--fleet-listen=nonsense"], "fleet-listen"),
        (["--namespace=Not_A_Name"], "namespace"),
        (["--source=/does/not/exist"], "/does/not/exist"),
        (["--templates=/does/not/exist"], "/does/not/exist"),
    ],
    ids=lambda value: value[0].split("=")[0] if isinstance(value, list) else None,
)
def test_a_wrong_flag_is_named_and_ends_it(supervisor, flags, says):
    code, output = _run(supervisor, "operator-wrong-flag", *flags)
    assert code not in (0, -6, -11) and code > 0
    assert says in output and "terminate called" not in output


def test_help_lists_the_flags_that_others_call(supervisor):
    code, output = _run(supervisor, "operator-help", "--help")
    assert code == 0
    flags = "source output kubeconfig namespace root-namespace default-action fleet-listen metrics-listen templates"
    for flag in flags.split():
        assert f"--{flag}" in output


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file|does not exist|cannot"),
        ("this: is: not: yaml: [", "YAML|line"),
        ("apiVersion: v1\nkind: Config\n", "context|cluster"),
    ],
    ids=["missing", "no-yaml", "empty"],
)
def test_an_unreadable_kubeconfig_is_named_and_ends_it(supervisor, tmp_path, content, says):
    file = tmp_path / "broken.kubeconfig"
    if content is not None:
        file.write_text(content)
    code, output = _run(supervisor, "operator-kubeconfig", f"--kubeconfig={file}")
    assert code > 0 and str(file) in output
    assert re.search(says, output, re.IGNORECASE), output


@pytest.fixture
def its_cluster(elsewhere):
    """kubectl and verbs for it."""
    return elsewhere.cluster


def _operator(supervisor, cluster, folder, kubeconfig):
    home = folder / "operator"
    home.mkdir()
    return Operator(supervisor, cluster, home, kubeconfig)


def test_missing_crds_are_named_and_awaited(supervisor, its_cluster, tmp_path):
    account = chart.install_rights(its_cluster, tmp_path)
    kubeconfig = chart.restricted_kubeconfig(its_cluster, account, tmp_path / "operator.kubeconfig")
    operator = _operator(supervisor, its_cluster, tmp_path, kubeconfig)
    operator.process = supervisor.start("operator-no-crds", operator.argv())
    try:
        said = operator.process.output
        await_until("the log names the missing CRDs", lambda: "accesspolicies.meshauth.dev" in said())
        assert operator.process.is_running()
        assert operator.endpoint("/healthz").status == 200
        assert operator.endpoint("/readyz").status == 503

        its_cluster.kubectl("apply", "--server-side", "-f", str(tools.REPO / "crds"))
        await_until("it is ready", lambda: operator.endpoint("/readyz").status == 200, within=40)
    finally:
        operator.stop()


@pytest.mark.parametrize("label", [None, "0"], ids=["no-version", "older"])
def test_crds_older_than_the_operator_are_named_and_awaited(supervisor, its_cluster, elsewhere, tmp_path, label):
    elsewhere.install_crds()
    path = KINDS["crd"].path(None, "accesspolicies.meshauth.dev")

    def say(version):
        patch = {"metadata": {"labels": {"meshauth.dev/schema-version": version}}}
        answer = its_cluster.api("PATCH", path, patch, "application/merge-patch+json")
        assert answer.status == 200, answer.text

    current = its_cluster.find("crd", "accesspolicies.meshauth.dev")["metadata"]["labels"]["meshauth.dev/schema-version"]
    assert int(current) > 0
    say(label)
    account = chart.install_rights(its_cluster, tmp_path)
    kubeconfig = chart.restricted_kubeconfig(its_cluster, account, tmp_path / "operator.kubeconfig")
    operator = _operator(supervisor, its_cluster, tmp_path, kubeconfig)
    operator.process = supervisor.start("operator-old-crds", operator.argv())

    def refusal():
        answer = operator.endpoint("/readyz")
        assert answer.status == 503 and "accesspolicies.meshauth.dev" in answer.text, answer.text
        return answer.text

    try:
        told = await_until("/readyz says which definition is old", refusal)
        assert "identityproviders" not in told and "are older than this operator" in told
        assert f"schema version {current} or newer" in told
        assert "helm upgrade" in told and "kubectl apply --server-side --force-conflicts -f crds/" in told
        assert "are older than this operator" in operator.process.output()
        assert operator.process.is_running() and operator.endpoint("/healthz").status == 200
        # It has not so much as asked to lead.
        assert its_cluster.list("lease", chart.NAMESPACE) == []

        elsewhere.install_crds() if label is None else say(str(int(current) + 1))  # newer is fine
        await_until("it is ready", lambda: operator.endpoint("/readyz").status == 200, within=40)
    finally:
        operator.stop()


def test_an_api_server_that_is_down_is_named_and_awaited(supervisor, its_cluster, elsewhere, oidc, tmp_path):
    its_cluster.kubectl("apply", "--server-side", "-f", str(tools.REPO / "crds"))
    account = chart.install_rights(its_cluster, tmp_path)
    kubeconfig = chart.restricted_kubeconfig(its_cluster, account, tmp_path / "operator.kubeconfig")
    elsewhere.stop_apiserver()
    operator = _operator(supervisor, its_cluster, tmp_path, kubeconfig)
    operator.process = supervisor.start("operator-api-down", operator.argv())
    try:
        await_until("the log names the server", lambda: elsewhere.plane.server in operator.process.output())
        assert operator.process.is_running() and operator.endpoint("/readyz").status == 503
        elsewhere.start_apiserver()
        await_until("it is ready", lambda: operator.endpoint("/readyz").status == 200, within=60)

        # And again while it runs: what changed meanwhile is seen after.
        with its_cluster.temporary_namespace() as space:
            spec = {"issuer": oidc.issuer, "audiences": ["api://orders"], "tls": {"caBundle": oidc.authority.pem}}
            space.accepts(identity_provider("idp", **spec))
            space.await_condition("identityprovider", "idp", "Ready", within=30)
            elsewhere.stop_apiserver()
            assert operator.process.is_running()
            elsewhere.start_apiserver()
            space.accepts(access_policy("readers", rules=[rule("read", READ)]))
            space.await_condition("accesspolicy", "readers", "Accepted", within=60)
    finally:
        operator.stop()


def test_a_token_that_the_api_server_refuses_is_named(supervisor, cluster, tmp_path):
    if not cluster.plane:
        pytest.skip("needs our own control plane")
    wrong = write_kubeconfig(tmp_path / "k", cluster.plane.server, cluster.plane.authority, "not-a-token")
    operator = _operator(supervisor, cluster, tmp_path, wrong)
    operator.process = supervisor.start("operator-unauthorized", operator.argv())
    try:
        await_until("the log says 401", lambda: "401" in operator.process.output())
        assert "not-a-token" not in operator.process.output()
        if operator.process.is_running():
            assert operator.endpoint("/readyz").status == 503
    finally:
        operator.stop()


def test_a_port_that_is_taken_is_named(supervisor, cluster, operator, tmp_path):
    second = _operator(supervisor, cluster, tmp_path, operator.kubeconfig)
    second.fleet_port = operator.fleet_port
    code, output = _run(supervisor, "operator-port", *second.argv()[1:])
    assert code > 0 and str(operator.fleet_port) in output


def test_a_second_start_never_makes_an_older_epoch(mesh, operator, oidc):
    def term():
        lease = next(item for item in operator.cluster.list("lease", chart.NAMESPACE))
        return lease["spec"].get("leaseTransitions", 0), lease["metadata"]["resourceVersion"]

    first = term()
    operator.kill()
    operator.start()
    assert term() != first and term()[0] >= first[0]
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", caller()))
    mesh.ns.await_condition("accesspolicy", "readers", "Accepted")
