"""examples/gitops: what Flux and Argo CD would make of our resources, by the code and the interpreter that they use."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import yaml

from harness import chart, tools
from harness.resources import READ, identity_provider, rule
from harness.wait import await_until

_FOLDER = tools.REPO / "examples" / "gitops"
_CHECKS = _FOLDER / "argocd" / "resource_customizations" / "meshauth.dev"
_KINDS = {"accesspolicy": "AccessPolicy", "identityprovider": "IdentityProvider"}


def _judge(objects, *args):
    """[(status, message)] for each object."""
    lines = "".join(json.dumps(each, default=str) + "\n" for each in objects)
    done = subprocess.run([tools.gitops(), *args], input=lines, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(made) == len(objects)
    return [(each["status"], each["message"]) for each in made]


def _lua(kind):
    return ("lua", str(_CHECKS / kind / "health.lua"))


# --- the files


def _cases():
    for kind in _KINDS.values():
        for case in yaml.safe_load((_CHECKS / kind / "health_test.yaml").read_text())["tests"]:
            yield pytest.param(kind, case, id=f"{kind}-{case['inputPath'].rpartition('/')[2]}")


@pytest.mark.plane
@pytest.mark.parametrize(("kind", "case"), list(_cases()))
def test_a_health_check_says_what_its_case_wants(kind, case):
    given = yaml.safe_load((_CHECKS / kind / case["inputPath"]).read_text())
    assert _judge([given], *_lua(kind)) == [(case["healthStatus"]["status"], case["healthStatus"]["message"])]


@pytest.mark.plane
@pytest.mark.parametrize("kind", _KINDS.values())
def test_every_case_has_a_file_and_every_file_a_case(kind):
    tests = yaml.safe_load((_CHECKS / kind / "health_test.yaml").read_text())["tests"]
    files = sorted(f"testdata/{file.name}" for file in (_CHECKS / kind / "testdata").iterdir())
    assert files == sorted(case["inputPath"] for case in tests)
    assert {case["healthStatus"]["status"] for case in tests} == {"Progressing", "Healthy", "Degraded"}


@pytest.mark.plane
def test_a_broken_script_is_an_error(tmp_path):
    for script in ("return {status = 'Fine'}", "while true do end", "return os.time()", "}"):
        broken = tmp_path / "health.lua"
        broken.write_text(script)
        done = subprocess.run([tools.gitops(), "lua", broken], input='{"apiVersion": "v1", "kind": "A"}\n', capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and "gitops: line 1" in done.stderr, (script, done.stderr)


@pytest.mark.plane
def test_the_component_gives_argo_cd_both_scripts(cluster, tmp_path):
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}, "data": {"url": "https://argocd.example.com"}}
    (tmp_path / "argocd-cm.yaml").write_text(yaml.safe_dump(theirs))
    above = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["argocd-cm.yaml"],
        "components": [os.path.relpath(_FOLDER / "argocd", tmp_path)],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(above))
    [made] = [o for o in yaml.safe_load_all(cluster.kubectl("kustomize", str(tmp_path))) if o]
    assert made["metadata"]["name"] == "argocd-cm" and made["data"].pop("url") == "https://argocd.example.com"
    scripts = {f"resource.customizations.health.meshauth.dev_{kind}": (_CHECKS / kind / "health.lua").read_text() for kind in _KINDS.values()}
    assert made["data"] == scripts


def _documents(*parts):
    found = [o for path in parts for o in yaml.safe_load_all((_FOLDER / path).read_text()) if o]
    assert found
    return found


@pytest.mark.plane
def test_the_values_of_both_installations_are_the_charts(workdir):
    [release] = [o for o in _documents("flux/operator/release.yaml") if o["kind"] == "HelmRelease"]
    [application] = _documents("argocd/operator.yaml")
    assert (tools.REPO / release["spec"]["chart"]["spec"]["chart"]).samefile(chart.FOLDER)
    assert (tools.REPO / application["spec"]["source"]["path"]).samefile(chart.FOLDER)
    for values in (release["spec"]["values"], application["spec"]["source"]["helm"]["valuesObject"]):
        made = chart.render(workdir, overlay=values)
        assert "registry.example.com/mesh-auth/operator" in str([o for o in made if o["kind"] == "Deployment"])
    [ignored] = application["spec"]["ignoreDifferences"]
    assert any(o["kind"] == ignored["kind"] and o["metadata"]["name"] == ignored["name"] for o in made)


@pytest.mark.plane
def test_what_the_examples_name_is_there():
    flux = {o["metadata"]["name"]: o for o in _documents("flux/operator.yaml", "flux/policies.yaml")}
    [source] = _documents("flux/source.yaml")
    for each in flux.values():
        assert each["spec"]["wait"] is True and each["spec"]["sourceRef"]["name"] == source["metadata"]["name"]
        assert (tools.REPO / each["spec"]["path"]).is_dir()
    assert [o["name"] for o in flux["mesh-auth-policies"]["spec"]["dependsOn"]] == ["mesh-auth-operator"]
    [release] = [o for o in _documents("flux/operator/release.yaml") if o["kind"] == "HelmRelease"]
    assert release["spec"]["chart"]["spec"]["sourceRef"]["name"] == source["metadata"]["name"]
    [policies] = _documents("argocd/policies.yaml")
    assert (tools.REPO / policies["spec"]["source"]["path"]).is_dir()


# --- real statuses


def _versions(process):
    """Every version of an object that kubectl saw so far, without those of its deletion."""
    text, at, found = process.output(), 0, []
    decoder = json.JSONDecoder()
    while (at := text.find("{", at)) >= 0:
        try:
            event, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            break  # kubectl is writing it
        if event["type"] != "DELETED":
            found.append(event["object"])
    return found


@pytest.fixture
def watched(supervisor, mesh):
    """watched(kind, name): every version of that object so far."""
    watching = {}
    for kind, plural in (("accesspolicy", "accesspolicies"), ("identityprovider", "identityproviders")):
        kubectl = mesh.ns.cluster.kubectl
        argv = kubectl.argv("get", f"{plural}.meshauth.dev", "-n", mesh.ns.name, "--watch", "--output-watch-events", "-o", "json")
        watching[kind] = supervisor.start(f"watch-{kind}", argv, env=kubectl.environment())

    def seen(kind, name):
        return [each for each in _versions(watching[kind]) if each["metadata"]["name"] == name]

    # A watch that has begun has seen what was there before: from here on nothing is missed.
    mesh.policy("first", rule("none", READ))
    mesh.ns.accepts(identity_provider("first", issuer="https://idp.example.com", audiences=["orders"], jwks={"inline": '{"keys": []}'}))
    for kind in watching:
        await_until(f"the watch of {kind} has begun", lambda kind=kind: seen(kind, "first"), within=30)
    yield seen
    for process in watching.values():
        supervisor.stop(process)


def _ready(object):
    """The status of the condition Ready, if it speaks of the object as it is."""
    generation, status = object["metadata"]["generation"], object.get("status", {})
    found = [c["status"] for c in status.get("conditions", []) if c["type"] == "Ready" and c["observedGeneration"] == generation]
    return found[0] if found and status.get("observedGeneration") == generation else None


def _was_ready(watched, kind, name, generation, status):
    """Waits until the watch has seen it so."""

    def seen():
        versions = watched(kind, name)
        assert versions, "not seen yet"
        last = versions[-1]
        assert last["metadata"]["generation"] == generation and _ready(last) == status, last.get("status")
        return True

    await_until(f"{kind} {name} of generation {generation} has Ready={status}", seen, within=30)


@pytest.mark.operator
def test_never_current_before_it_is_ready_and_never_stuck(watched, mesh, oidc):
    mesh.policy("orders", rule("read", READ))  # before its provider: a person needs to act
    _was_ready(watched, "accesspolicy", "orders", 1, "False")
    mesh.provider(oidc)
    _was_ready(watched, "identityprovider", "idp", 1, "True")
    _was_ready(watched, "accesspolicy", "orders", 1, "True")
    mesh.policy("orders", rule("read", READ, to=[{"paths": ["/orders/**"]}]))
    _was_ready(watched, "accesspolicy", "orders", 2, "True")
    mesh.provider(oidc, jwks={"uri": f"{oidc.issuer}/nothing-here"})
    _was_ready(watched, "identityprovider", "idp", 2, "False")
    mesh.ns.delete("identityprovider", "idp")
    _was_ready(watched, "accesspolicy", "orders", 2, "False")
    mesh.provider(oidc)
    _was_ready(watched, "accesspolicy", "orders", 2, "True")
    _was_ready(watched, "identityprovider", "idp", 1, "True")

    for kind, name in (("accesspolicy", "orders"), ("identityprovider", "idp")):
        title, versions = _KINDS[kind], watched(kind, name)
        assert versions[0].get("status") == {"observedGeneration": -1}, "nobody had looked at it"
        by_kstatus, by_argo = _judge(versions, "kstatus"), _judge(versions, *_lua(title))
        for object, (flux, said), (argo, _) in zip(versions, by_kstatus, by_argo, strict=True):
            ready = _ready(object)
            assert (flux == "Current") == (ready == "True"), (flux, said, object.get("status"))
            assert flux in ("Current", "InProgress")
            assert argo == {"True": "Healthy", "False": "Degraded"}.get(ready, "Progressing"), object.get("status")
        seen = [flux for flux, _ in by_kstatus]
        assert seen[0] == "InProgress" and seen[-1] == "Current" and "InProgress" in seen[seen.index("Current") :]
