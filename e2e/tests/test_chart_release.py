"""The chart as a release, by helm on a control plane of its own: upgraded with its CRDs, taken away without them, and what it says."""

from __future__ import annotations

import shutil

import pytest
import yaml

from harness import chart
from harness import cluster as clusters
from harness.kubectl import as_yaml
from harness.resources import access_policy
from harness.supervisor import Supervisor

pytestmark = pytest.mark.plane

_CRD = "accesspolicies.meshauth.dev"
_DEFAULT = "              default: {observedGeneration: -1}\n"


@pytest.fixture(scope="module")
def plane(workdir):
    """A cluster where nobody has put our objects before helm does."""
    supervisor = Supervisor(workdir / "release-logs")
    try:
        yield clusters.start(supervisor, workdir / "release")
    finally:
        supervisor.stop_all()


@pytest.fixture(scope="module")
def helm(plane, workdir):
    return lambda *args: chart.helm(*args, "--namespace", chart.NAMESPACE, home=workdir, kubeconfig=plane.kubectl.kubeconfig)


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """The chart as an older version would be: its CRDs lack something."""
    folder = tmp_path_factory.mktemp("older") / "mesh-auth"
    shutil.copytree(chart.FOLDER, folder)
    file = folder / "Chart.yaml"
    meta = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(meta | {"version": "0.0.9"}))
    crd = folder / "templates" / "crd-accesspolicies.yaml"
    assert crd.read_text().count(_DEFAULT) == 1
    crd.write_text(crd.read_text().replace(_DEFAULT, ""))
    return folder


def _status(plane):
    [version] = plane.find("crd", _CRD)["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]["properties"]["status"]


def test_an_upgrade_brings_the_crds_and_the_end_leaves_them(plane, helm, before):
    said = helm("install", chart.RELEASE, str(before), "--create-namespace")
    for command in ("rollout status -n mesh-auth-system deployment/mesh-auth-operator", "helm test -n mesh-auth-system mesh-auth", "label namespace"):
        assert command in said, said
    assert "WARNING" not in said, said
    assert "default" not in _status(plane)
    space = plane.namespace("shop")
    plane.kubectl("wait", "crd", _CRD, "--for=condition=Established", "--timeout=30s")
    space.accepts(access_policy("none", rules=[]))
    helm("upgrade", chart.RELEASE, str(chart.FOLDER))
    assert _status(plane)["default"] == {"observedGeneration": -1}
    plane.kubectl("get", "-n", chart.NAMESPACE, "deployment/mesh-auth-operator")
    assert not plane.list("pod", f"{chart.NAMESPACE}"), "the hooks are the test's alone"

    helm("uninstall", chart.RELEASE, "--no-hooks")  # nobody here runs a Job
    assert space.find("accesspolicy", "none") and plane.find("crd", _CRD)
    left = plane.kubectl("get", "clusterroles,validatingadmissionpolicies", "-o", "name").splitlines()
    assert not [name for name in left if "mesh-auth" in name], left


@pytest.mark.parametrize(
    ("overlay", "says"),
    [
        ({"replicas": 0}, "replicas is 0"),
        ({"operator": {"defaultAction": "Allow"}}, "lets everyone in"),
        ({"operator": {"minTerm": 7}}, "operator.minTerm is set"),
        ({"operator": {"extraArgs": ["--provider-allow-loopback"]}}, "--provider-allow-loopback"),
        ({"image": {"tag": "latest"}}, "image.tag is latest"),
        ({"injection": {"image": {"tag": "latest"}}}, "injection.image.tag is latest"),
        ({"injection": {"enabled": False}}, "pods start without a sidecar"),
        ({"injection": {"url": "https://operator.example:9443"}}, "injection.url is https://operator.example:9443"),
        ({"crds": {"enabled": False}}, "apply the folder crds/"),
        ({"crds": {"keep": False}}, "deletes every IdentityProvider"),
        ({"networkPolicy": {"enabled": False}}, "networkPolicy.enabled is false"),
        ({"monitoring": {"podMonitor": {"enabled": True}}}, "counted twice"),
        ({"userRoles": {"aggregateToEdit": ["identityproviders"]}}, "userRoles.aggregateToEdit has identityproviders"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_risky_value_is_warned_of(helm, tmp_path, overlay, says):
    values = tmp_path / "values.yaml"
    values.write_text(as_yaml(overlay))
    said = helm("install", "risky", str(chart.FOLDER), "--dry-run=client", "--values", str(values))
    _, _, notes = said.partition("NOTES:")
    assert notes.count("WARNING: ") == 1 and says in notes.partition("WARNING: ")[2], notes
