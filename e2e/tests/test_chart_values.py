"""The chart's values: each is heeded, any other is refused, and the API server takes what comes of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

from harness import chart, tools

pytestmark = pytest.mark.plane

_DIGEST = "sha256:" + "0" * 64
_PEER = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
_QUANTITIES = {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}
_AFFINITY = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
# Another value than the default of each one: without a line here the test of it fails.
_OTHER = {
    "replicas": 0,
    "image.repository": "registry.example/operator",
    "image.tag": "2",
    "image.digest": _DIGEST,
    "image.pullPolicy": "Always",
    "imagePullSecrets": [{"name": "registry"}],
    "commonLabels": {"team": "platform"},
    "commonAnnotations": {"example.com/owner": "platform"},
    "watchNamespaces": ["default"],
    "operator.rootNamespace": "mesh-root",
    "operator.defaultAction": "Allow",
    "operator.minTerm": 7,
    "operator.extraArgs": ["--log-level=debug"],
    "resources": _QUANTITIES,
    "injection.enabled": False,
    "injection.image.repository": "registry.example/sidecar",
    "injection.image.tag": "2",
    "injection.image.digest": _DIGEST,
    "injection.image.pullPolicy": "Never",
    "injection.resources": _QUANTITIES,
    "injection.nativeSidecars": "off",
    "injection.timeoutSeconds": 9,
    "injection.url": "https://operator.example:9443",
    "injection.certManager.enabled": True,
    "networkPolicy.enabled": False,
    "networkPolicy.fleetFrom": _PEER,
    "networkPolicy.metricsFrom": _PEER,
    "networkPolicy.egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 443, "protocol": "TCP"}]}],
    "monitoring.serviceMonitor.enabled": False,
    "monitoring.serviceMonitor.interval": "1m",
    "monitoring.serviceMonitor.labels": {"release": "prometheus"},
    "monitoring.podMonitor.enabled": False,
    "monitoring.podMonitor.interval": "1m",
    "monitoring.podMonitor.labels": {"release": "prometheus"},
    "monitoring.rules.enabled": False,
    "monitoring.rules.labels": {"release": "prometheus"},
    "monitoring.rules.keysOlderThanSeconds": 3600,
    "monitoring.rules.meshKeyEndsWithinSeconds": 3600,
    "monitoring.rules.pendingFor": "1m",
    "monitoring.rules.runbooks": "https://git.example.com/docs/alerts.md",
    "monitoring.dashboards.enabled": False,
    "monitoring.dashboards.labels": {"grafana_dashboard": "yes"},
    "monitoring.dashboards.annotations": {"grafana_folder": "mesh"},
    "monitoring.dashboards.namespace": "monitoring",
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"tier": "control"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": _AFFINITY,
    "priorityClassName": "system-cluster-critical",
    "serviceAccount.annotations": {"example.com/role": "operator"},
    "crds.enabled": False,
    "crds.keep": False,
    "cleanup.enabled": False,
    "test.enabled": False,
    "test.image.repository": "registry.example/cli",
    "test.image.tag": "2",
    "test.image.digest": _DIGEST,
    "test.image.pullPolicy": "Never",
    "test.namespace": "proving-ground",
    "test.withinSeconds": 30,
    "userRoles.enabled": False,
    "userRoles.aggregateToEdit": [],
}
# So that every value has something to show.
_ALL_ON = {"monitoring": {"podMonitor": {"enabled": True}, "dashboards": {"enabled": True}}}

# Not with the others: one needs cert-manager, the other takes the place of what an earlier apply left there.
_APART = ("injection.certManager.enabled", "injection.url")


def _leaves(values, path=()):
    """Paths of the values that have a line in _OTHER, and of those that should."""
    for name, value in values.items():
        at = (*path, name)
        if isinstance(value, dict) and value and ".".join(at) not in _OTHER:
            yield from _leaves(value, at)
        else:
            yield ".".join(at)


def _groups(values, path=()):
    yield path
    for name, value in values.items():
        if isinstance(value, dict) and value and ".".join((*path, name)) not in _OTHER:
            yield from _groups(value, (*path, name))


def _with(path, value, base=None):
    """The overlay that sets one value."""
    made = json.loads(json.dumps(base or {}))
    *above, last = path
    at = made
    for name in above:
        at = at.setdefault(name, {})
    at[last] = value
    return made


def _all_of_it(home, overlay):
    """Everything with the test's hooks, but for the keys that are made anew each time."""
    objects = chart.render(home, overlay=overlay, apis=chart.MONITORING, hooks=True)
    for each in objects:
        if each["kind"] == "Secret":
            assert each.pop("stringData").keys() == {"ca.pem", "ca-key.pem"}
        if each["kind"] == "IdentityProvider":
            assert each["spec"]["tls"].pop("caBundle").startswith("-----BEGIN CERTIFICATE-----")
    return objects


@pytest.fixture(scope="module")
def plain(workdir):
    made = _all_of_it(workdir, _ALL_ON)
    assert made == _all_of_it(workdir, _ALL_ON), "the same values render the same objects"
    return made


def test_every_value_has_another_one_here():
    assert sorted(_leaves(chart.defaults())) == sorted(_OTHER)


@pytest.mark.parametrize("path", _OTHER)
def test_a_value_that_is_changed_changes_what_is_installed(workdir, plain, path):
    overlay = _with(path.split("."), _OTHER[path], _ALL_ON)
    assert _all_of_it(workdir, overlay) != plain


@pytest.mark.parametrize("path", list(_groups(chart.defaults())), ids=lambda path: ".".join(path) or "top")
def test_an_unknown_value_is_refused(workdir, path):
    assert "unknwon" in chart.refuses(workdir, _with((*path, "unknwon"), 1))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("replicas", 2),
        ("image.tag", "a:b"),
        ("image.digest", "sha256:short"),
        ("imagePullSecrets", [{"nmae": "registry"}]),
        ("commonLabels", {"app.kubernetes.io/name": "other"}),
        ("commonLabels", {"meshauth.dev/workload": "orders"}),
        ("podLabels", {"rbac.authorization.k8s.io/aggregate-to-admin": "true"}),
        ("operator.extraArgs", ["log-level=debug"]),
        ("networkPolicy.fleetFrom", [{"namespaces": {}}]),
        ("networkPolicy.egress", [{"toCIDR": []}]),
        ("monitoring.rules.runbooks", "two words"),
        ("tolerations", [{"key": "dedicated", "oprator": "Exists"}]),
        ("affinity", {"nodeAfinity": {}}),
        ("userRoles.aggregateToEdit", ["secrets"]),
    ],
)
def test_a_wrong_value_is_refused(workdir, path, value):
    assert path.split(".")[0] in chart.refuses(workdir, _with(path.split("."), value))


def test_the_api_server_takes_all_of_them_together(cluster, crds, workdir):
    overlay = _ALL_ON
    for path, value in _OTHER.items():
        if not path.startswith("monitoring.") and value is not False and path not in _APART:
            overlay = _with(path.split("."), value, overlay)
    cluster.namespace(chart.NAMESPACE)
    objects = chart.render(workdir, overlay=overlay, hooks=True)
    for name in ("proving-ground", _OTHER["operator.rootNamespace"]):
        cluster.namespace(name)
    apply = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"]
    done = cluster.kubectl(*apply, stdin=yaml.safe_dump_all(objects))
    assert len(done.splitlines()) == len(objects)


def test_labels_and_annotations_are_on_every_object(workdir):
    overlay = _ALL_ON | {"commonLabels": {"team": "platform"}, "commonAnnotations": {"example.com/owner": "platform"}}
    objects = chart.render(workdir, overlay=overlay, apis=chart.MONITORING, hooks=True)
    pods = [o["spec"]["template"] for o in objects if o["metadata"]["name"] == "mesh-auth-operator" and o["kind"] == "Deployment"]
    assert len(pods) == 1
    for each in objects + pods:
        metadata = each["metadata"]
        assert metadata["labels"]["team"] == "platform", (each.get("kind"), metadata)
        assert metadata["annotations"]["example.com/owner"] == "platform", (each.get("kind"), metadata)
    [deployment] = [o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == "mesh-auth-operator"]
    assert "team" not in deployment["spec"]["selector"]["matchLabels"]


def test_nobody_comes_to_another_port_of_the_operator_than_those_it_listens_on(workdir):
    objects = chart.render(workdir)
    [policy] = [o for o in objects if o["kind"] == "NetworkPolicy"]
    [deployment] = [o for o in objects if o["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    let_in = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    assert let_in == {port["containerPort"] for port in container["ports"]} == {8443, 9090, 9443}
    assert policy["spec"]["podSelector"]["matchLabels"] == deployment["spec"]["selector"]["matchLabels"]
    assert policy["spec"]["policyTypes"] == ["Ingress"]


def test_the_roles_of_people_are_added_to_those_of_kubernetes(workdir):
    def roles(**overlay):
        made = {}
        for each in chart.render(workdir, overlay=overlay):
            to = [k.rpartition("-")[2] for k in each["metadata"].get("labels", {}) if k.startswith("rbac.authorization")]
            if to:
                made[each["metadata"]["name"]] = (set(to), {verb for rule in each["rules"] for verb in rule["verbs"]})
        return made

    read, write = {"get", "list", "watch"}, {"create", "delete", "deletecollection", "patch", "update"}
    everyone = {"view", "edit", "admin"}
    assert roles() == {
        "mesh-auth-accesspolicies-view": (everyone, read),
        "mesh-auth-accesspolicies-edit": ({"edit", "admin"}, write),
        "mesh-auth-accesspolicies-admin": ({"admin"}, read | write),
        "mesh-auth-identityproviders-view": (everyone, read),
        "mesh-auth-identityproviders-edit": ({"admin"}, write),
        "mesh-auth-identityproviders-admin": ({"admin"}, read | write),
    }
    assert roles(userRoles={"aggregateToEdit": []})["mesh-auth-accesspolicies-edit"] == ({"admin"}, write)
    assert roles(userRoles={"enabled": False}) == {}


def test_the_page_of_values_is_current():
    done = subprocess.run([sys.executable, tools.REPO / "charts" / "readme.py", "--check"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_the_kustomize_base_is_current_and_the_api_server_takes_it(cluster, crds, workdir):
    script = tools.REPO / "charts" / "kustomize.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    base = tools.REPO / "charts" / "kustomize" / "base"
    built = [o for o in yaml.safe_load_all(cluster.kubectl("kustomize", str(base))) if o]
    cluster.namespace(chart.NAMESPACE)
    apply = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-k", str(base)]
    assert len(cluster.kubectl(*apply).splitlines()) == len(built)

    def names(objects):
        return sorted((o["kind"], o["metadata"]["name"]) for o in objects if o["kind"] != "Namespace")

    assert names(built) == names(chart.render(workdir))


def test_the_kustomize_component_adds_what_is_for_monitoring(cluster, tmp_path):
    folder = tools.REPO / "charts" / "kustomize"
    above = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(folder / "base", tmp_path)],
        "components": [os.path.relpath(folder / "monitoring", tmp_path)],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(above))
    built = [o for o in yaml.safe_load_all(cluster.kubectl("kustomize", str(tmp_path))) if o]
    kinds = {o["kind"] for o in built}
    assert {"ServiceMonitor", "PrometheusRule", "Deployment"} <= kinds
    assert [o for o in built if o["kind"] == "ConfigMap" and o["metadata"]["labels"].get("grafana_dashboard") == "1"]
