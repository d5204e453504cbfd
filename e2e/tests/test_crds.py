"""The resources at the real API server: what is right is taken, what is wrong is refused with a remedy."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness import tools
from harness.resources import KINDS, access_policy, identity_provider

pytestmark = pytest.mark.plane

_CASES = tools.REPO / "crds" / "testdata"


def _files(folder: str) -> list[Path]:
    found = sorted((_CASES / folder).glob("*.yaml"))
    assert found, f"no cases in {_CASES / folder}"
    return found


def _try(cluster, file: Path):
    """What the API server would say to a strict create, changing nothing."""
    manifest = yaml.safe_load(file.read_text())
    kind = KINDS[manifest["kind"].lower()]
    namespace = manifest["metadata"].get("namespace", "default")
    return cluster.api("POST", kind.path(namespace) + "?dryRun=All&fieldValidation=Strict", manifest)


@pytest.mark.parametrize("file", _files("accept"), ids=lambda file: file.stem)
def test_a_right_resource_is_accepted(cluster, crds, file):
    answer = _try(cluster, file)
    assert answer.status == 201, answer.json().get("message")


@pytest.mark.parametrize("file", _files("beyond"), ids=lambda file: file.stem)
def test_what_a_schema_cannot_see_is_left_to_a_condition(cluster, crds, file):
    assert _try(cluster, file).status == 201


@pytest.mark.parametrize("file", _files("refuse"), ids=lambda file: file.stem)
def test_a_wrong_resource_is_refused_and_the_field_is_named(cluster, crds, file):
    first, *_ = file.read_text().splitlines()
    assert first.startswith("# want: "), f"{file} does not say what the refusal should say"
    answer = _try(cluster, file)
    assert 400 <= answer.status < 500, f"accepted: {file.read_text()}"
    assert first.removeprefix("# want: ") in answer.json()["message"]


def test_kubectl_apply_refuses_with_a_message_that_says_what_would_be_right(ns, crds):
    provider = identity_provider("bad", issuer="http://idp.example.com", audiences=["api://orders"])
    message = ns.rejects(provider, 'The IdentityProvider "bad" is invalid', "spec.issuer", "https://")
    assert len(message) < 1500

    policy = access_policy("bad", rules=[{"name": "all", "action": "Allow"}])
    ns.rejects(policy, "spec.rules[0].from", "anyone: true")


def test_kubectl_apply_refuses_a_misspelt_field(ns, crds):
    policy = access_policy("bad", rules=[], workload=["orders"])
    ns.rejects(policy, 'unknown field "spec.workload"')
    assert ns.find("accesspolicy", "bad") is None


def test_one_word_lists_both_kinds(cluster, ns, crds):
    ns.accepts(identity_provider("idp", issuer="https://idp.example.com", audiences=["api://orders"]))
    ns.accepts(access_policy("none", rules=[]))
    both = cluster.kubectl("get", "mesh-auth", "-n", ns.name)
    assert "identityprovider.meshauth.dev/idp" in both and "accesspolicy.meshauth.dev/none" in both
    short = cluster.kubectl("get", "idprov,accpol", "-n", ns.name, "-o", "name").split()
    assert short == ["identityprovider.meshauth.dev/idp", "accesspolicy.meshauth.dev/none"]


def test_the_columns_are_those_of_the_documentation(cluster, ns, crds):
    ns.accepts(identity_provider("idp", issuer="https://idp.example.com", audiences=["api://orders"]))
    ns.accepts(access_policy("none", rules=[], mode="Audit"))
    providers = cluster.kubectl("get", "idprov", "-n", ns.name).splitlines()[0]
    policies = cluster.kubectl("get", "accpol", "-n", ns.name).splitlines()
    assert providers.split() == ["NAME", "READY", "ISSUER", "KEYS", "NEXT", "REFRESH", "AGE"]
    assert policies[0].split() == ["NAME", "READY", "MODE", "TARGET", "SIDECARS", "AGE"]
    assert "Audit" in policies[1]


def test_every_field_of_spec_is_explained(cluster, crds):
    for crd in crds:
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        undescribed = list(_undescribed(schema, "spec"))
        assert not undescribed, f"{crd['metadata']['name']}: no description for {undescribed}"
    text = cluster.kubectl("explain", "accesspolicy.spec.rules.from.identityProvider.namespace")
    assert "Default: the policy's" in text


def _undescribed(schema, path):
    for name, child in schema.get("properties", {}).items():
        if not child.get("description"):
            yield f"{path}.{name}"
        yield from _undescribed(child, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from _undescribed(schema["items"], path + "[]")


def test_status_is_not_written_by_apply(ns, crds):
    policy = access_policy("none", rules=[])
    policy["status"] = {"target": "forged"}
    ns.accepts(policy)
    # An operator that runs writes a status of its own.
    assert ns.get("accesspolicy", "none").get("status", {}).get("target") != "forged"


def test_a_changed_schema_gets_the_next_number_and_changed_prose_does_not(tmp_path):
    folder = tmp_path / "crds"
    shutil.copytree(tools.REPO / "crds", folder)
    (tmp_path / "operator" / "app").mkdir(parents=True)

    def run(*flags):
        return subprocess.run([sys.executable, str(folder / "schema_version.py"), *flags], capture_output=True, text=True, timeout=60)

    def number():
        header = (tmp_path / "operator" / "app" / "schema_version.h").read_text()
        (text,) = re.findall(r"kSchemaVersion = (\d+);", header)
        labels = [
            yaml.safe_load(file.read_text())["metadata"]["labels"]["meshauth.dev/schema-version"]
            for file in folder.glob("meshauth.dev_*.yaml")
        ]
        assert labels == [text, text]
        return int(text)

    def edit(before, after):
        file = folder / "meshauth.dev_accesspolicies.yaml"
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after, 1))

    assert run().returncode == 0
    first = number()
    edit("Bypassable: a Service goes past a sidecar.", "Bypassable: see there.")
    assert run("--check").returncode == 0
    edit("maxItems: 64", "maxItems: 63")
    assert "not current" in run("--check").stderr
    assert run().returncode == 0 and run("--check").returncode == 0
    assert number() == first + 1
