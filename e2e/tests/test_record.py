"""The record of a bundle, and who may change what a sidecar runs."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from harness import tools
from harness.resources import ANYONE, READ, caller, rule
from harness.sidecar import mount_config_map
from harness.wait import await_until, stays

pytestmark = [pytest.mark.operator, pytest.mark.sidecar]


def _recorded(mesh, oidc):
    """A workload whose bundle is recorded, its sidecar, and a token that it accepts."""
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    orders = mesh.sidecar("orders")
    token = oidc.token("alice", "orders:read")
    orders.await_answer(200, token=token)
    mesh.ns.await_condition("accesspolicy", "readers", "Programmed")
    return orders, token


def test_a_config_map_edited_by_hand_is_put_back(mesh, oidc):
    orders, token = _recorded(mesh, oidc)
    right = mesh.ns.get("configmap", "mesh-auth-orders")["data"]
    mesh.ns.edit("configmap", "mesh-auth-orders", {"data": {"policy.json": "{}", "extra": "mine"}})

    def put_back():
        return mesh.ns.get("configmap", "mesh-auth-orders")["data"]["policy.json"] == right["policy.json"]

    await_until("the operator put policy.json back", put_back)
    orders.answers(200, token=token)


def test_a_config_map_deleted_by_hand_is_made_again(mesh, oidc):
    _recorded(mesh, oidc)
    right = mesh.ns.get("configmap", "mesh-auth-orders")
    mesh.ns.delete("configmap", "mesh-auth-orders")
    again = mesh.ns.await_exists("configmap", "mesh-auth-orders")
    assert again["metadata"]["uid"] != right["metadata"]["uid"]
    assert again["data"]["policy.json"] == right["data"]["policy.json"]


def test_somebody_elses_config_map_of_that_name_is_never_adopted(mesh):
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mesh-auth-orders"}, "data": {"a": "b"}}
    mesh.ns.apply(theirs)
    mesh.policy("all", rule("all", ANYONE))
    mesh.sidecar("orders").await_answer(200)  # the fast path does not need the record
    mesh.ns.await_condition("accesspolicy", "all", "Programmed", "False", reason="RecordFailed", says="orders")
    mesh.ns.await_condition("accesspolicy", "all", "Ready", "False", reason="RecordFailed")
    assert mesh.ns.get("configmap", "mesh-auth-orders")["data"] == {"a": "b"}


def test_nothing_is_written_when_nothing_changed(mesh, oidc):
    orders, token = _recorded(mesh, oidc)

    def version():
        record = mesh.ns.get("configmap", "mesh-auth-orders")
        policy = mesh.ns.get("accesspolicy", "readers")
        return record["metadata"]["resourceVersion"], policy["metadata"]["resourceVersion"]

    before = version()
    stays("neither the record nor the status is written again", lambda: version() == before, seconds=3)


def test_a_bundle_changed_on_the_sidecars_disk_is_refused(mesh, oidc):
    orders, token = _recorded(mesh, oidc)
    current = (orders.bundle_dir / "current").resolve()
    forged = orders.bundle_dir / "revisions" / ("0" * 64)
    forged.mkdir(mode=0o755)
    for file in current.iterdir():
        (forged / file.name).write_bytes(file.read_bytes())
    policy = json.loads((forged / "policy.json").read_text())
    (forged / "policy.json").write_text(json.dumps(policy) + "\n")
    swap = orders.bundle_dir / "swap"
    swap.symlink_to(f"revisions/{forged.name}")
    swap.rename(orders.bundle_dir / "current")

    def refused():
        assert orders.process
        return "digest" in orders.process.output() or "refused" in orders.process.output()

    await_until("the module says that it refused the bundle", refused)
    orders.answers(200, token=token)
    orders.answers(401)


def test_a_sidecar_starts_without_the_operator_from_the_mounted_config_map(mesh, operator, oidc, tmp_path):
    _, token = _recorded(mesh, oidc)
    mounted = tmp_path / "mounted"
    mount_config_map(mesh.ns.get("configmap", "mesh-auth-orders"), mounted)
    operator.stop()
    late = mesh.sidecar("orders", f"--fallback-dir={mounted}")
    late.await_answer(200, token=token)
    late.answers(401)
    late.answers(403, token=oidc.token("alice"))


def test_a_sidecar_without_the_operator_follows_the_mounted_config_map(mesh, operator, oidc, tmp_path):
    first, _ = _recorded(mesh, oidc)
    mounted = tmp_path / "mounted"
    old = mesh.ns.get("configmap", "mesh-auth-orders")
    mesh.policy("readers", rule("write", caller(scopes={"all": ["orders:write"]})))
    first.await_answer(200, token=oidc.token("alice", "orders:write"))

    def newer():
        record = mesh.ns.get("configmap", "mesh-auth-orders")
        return record if record["data"]["policy.json"] != old["data"]["policy.json"] else None

    new = await_until("the record holds the new policy", newer)
    operator.stop()
    mount_config_map(old, mounted)
    late = mesh.sidecar("orders", f"--fallback-dir={mounted}")
    late.await_answer(200, token=oidc.token("alice", "orders:read"))
    mount_config_map(new, mounted)
    late.await_answer(200, token=oidc.token("alice", "orders:write"))

    mount_config_map({**old, "metadata": {"resourceVersion": "replayed"}}, mounted)  # an older epoch
    stays("the old policy does not come back", lambda: late.ask(token=oidc.token("alice", "orders:read")).status == 403)


def test_without_any_bundle_every_request_is_answered_503(mesh, operator, cluster):
    mesh.ns.create_pod("orders")
    mesh.ns.await_exists("configmap", "meshauth.trust")
    operator.stop()
    lonely = mesh.sidecar("orders")
    lonely.answers(503)
    lonely.answers(503, token="not.a.token")
    assert not lonely.is_ready()
    operator.start()
    lonely.await_answer(403)
    await_until("it is ready", lonely.is_ready)


def test_an_agent_that_restarts_goes_on_with_what_it_has(mesh, operator, oidc):
    orders, token = _recorded(mesh, oidc)
    operator.stop()
    orders.stop()
    began = time.monotonic()
    orders.start()
    orders.await_answer(200, token=token)
    assert time.monotonic() - began < 10


def test_no_secret_is_in_what_everyone_may_read(cluster, mesh, operator, oidc):
    orders, token = _recorded(mesh, oidc)
    orders.answers(401, token=token[:-4] + "AAAA")
    keys = cluster.find("secret", "mesh-auth-keys", "mesh-auth-system")
    assert keys and keys["data"]
    secrets = [token, token.rsplit(".", 1)[1], *(value for value in keys["data"].values() if len(value) > 40)]
    private = [v for k, v in keys["data"].items() if "pub" not in k and "crt" not in k]
    assert private
    assert orders.process
    readable = {
        "config maps": str(cluster.list("configmap")),
        "events": str(cluster.list("event")),
        "status": str(cluster.list("identityprovider")) + str(cluster.list("accesspolicy")),
        "the operator's log": operator.process.output(),
        "the sidecar's log": orders.process.output(),
        "metrics": operator.endpoint("/metrics").text,
    }
    for place, text in readable.items():
        assert not [s for s in [*secrets[:2], *private] if s in text], f"a secret is in {place}"
        assert "PRIVATE KEY" not in text, f"a private key is in {place}"


def test_meshauthctl_renders_the_bytes_that_the_operator_records(mesh, oidc, tmp_path):
    mesh.provider(oidc, forward={"claims": [{"path": ["sub"], "header": "X-User"}]})
    mesh.policy("readers", rule("read", READ), workloads=["orders"])
    mesh.ns.create_pod("orders")
    mesh.ns.await_condition("identityprovider", "idp", "KeysFresh")
    manifests, keys, out = tmp_path / "manifests.json", tmp_path / "keys.json", tmp_path / "out"
    objects = [mesh.ns.get("identityprovider", "idp"), mesh.ns.get("accesspolicy", "readers")]
    manifests.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    keys.write_text(json.dumps(oidc.jwks()))
    argv = [tools.program("meshauthctl"), "render", "-f", manifests, "--jwks", f"{mesh.ns.name}/idp={keys}", "-o", out]
    said = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert said.stderr == ""

    def same():
        data = mesh.ns.get("configmap", "mesh-auth-orders")["data"]
        for name in ("auth.conf", "jwks.json", "policy.json"):
            assert (out / mesh.ns.name / "orders" / name).read_text() == data[name]
        assert f"# revision {json.loads(data['manifest.json'])['revision']}\n" in said.stdout
        return True

    await_until("the record holds the rendered bytes", same)
