"""The mesh's own keys are replaced: the key that signs, the fleet's authority, its certificate. Under load, with the operator
killed in each phase, by request, by age, and with a sidecar that does not follow."""

from __future__ import annotations

import json
import signal
import ssl
import sys
import time

import pytest

from harness import chart, tools
from harness.mounts import Mounts
from harness.ports import free_port
from harness.resources import ANYONE, READ, rule
from harness.wait import await_until, stays

pytestmark = [pytest.mark.operator, pytest.mark.sidecar]

PHASES = ("steady", "announced", "switched")


class Keys:
    """Secret mesh-auth-keys, and the operator that replaces what is in it."""

    def __init__(self, cluster, operator):
        self.cluster, self.operator = cluster, operator
        self.flags = ()

    def start(self, *flags):
        """The operator with these flags, once no key is being replaced any more."""
        self.flags = flags
        self.operator.stop()
        self.operator.start("--key-overlap=1s", "--key-confirm-timeout=1s")
        for what in ("signing-key", "ca"):
            self.await_phase(what, "steady")
        self.operator.stop()
        self.operator.start(*flags)

    def crash(self):
        self.operator.kill()
        self.operator.start(*self.flags)

    def data(self):
        return self.cluster.find("secret", "mesh-auth-keys", chart.NAMESPACE)["data"]

    def names(self):
        return set(self.data())

    def rotate(self, what):
        self.cluster.kubectl(
            "annotate", "--overwrite", "-n", chart.NAMESPACE, "secret", "mesh-auth-keys", f"meshauth.dev/rotate={what}"
        )

    def request(self):
        secret = self.cluster.find("secret", "mesh-auth-keys", chart.NAMESPACE)
        return (secret["metadata"].get("annotations") or {}).get("meshauth.dev/rotate")

    def phases(self, what):
        """One, or two at the moment of a change."""
        name = "mesh_auth_mesh_key_rotation_phase"
        return [phase for phase in PHASES if self.operator.metric(name, key=what, phase=phase) == 1]

    def await_phase(self, what, phase, within=40):
        def reached():
            now = self.phases(what)
            assert now == [phase], now
            return True

        await_until(f"{what} is {phase}", reached, within)

    def events(self, reason):
        found = self.cluster.list("event", chart.NAMESPACE)
        return [e for e in found if e["reason"] == reason and e["involvedObject"]["name"] == "mesh-auth-keys"]


@pytest.fixture
def keys(cluster, operator):
    yield Keys(cluster, operator)
    operator.stop()  # the next test starts it as it is


@pytest.fixture
def mounts(ns):
    made = Mounts(ns)
    yield made
    made.close()


class Shop:
    """A workload behind a sidecar whose trust and record are mounted, and a load on it that checks each answer."""

    def __init__(self, mesh, mounts, supervisor, oidc, folder):
        self.mesh, self.mounts, self._supervisor = mesh, mounts, supervisor
        self._windows = []  # (from, to, status of /edge)
        self._since = None
        self._edge = 403
        mesh.provider(oidc)
        self.token = oidc.token("alice", "orders:read")
        self._apply()
        self.trust = mounts.mount("meshauth.trust", folder / "trust") / "trust.json"
        self.record = mounts.mount("mesh-auth-orders", folder / "record")
        self.orders = mesh.sidecar("orders", f"--fallback-dir={self.record}", trust=self.trust)
        self.orders.await_answer(200, "/orders/1", self.token)
        self.orders.await_answer(200, "/open")
        self._settled()

    def _apply(self):
        paths = ["/open"] + (["/edge"] if self._edge == 200 else [])
        rules = [rule("open", ANYONE, to=[{"paths": paths}]), rule("read", READ, to=[{"paths": ["/orders/**"]}])]
        self.mesh.policy("gate", *rules, workloads=["orders"])

    def _settled(self):
        """Every sidecar runs the policy of now: from here on each answer must be its."""
        self.mesh.ns.await_condition("accesspolicy", "gate", "Ready", within=30)
        self.orders.await_answer(self._edge, "/edge")
        self._since = time.time()

    def edit(self):
        """Opens or shuts /edge; returns when that is enforced."""
        self._windows.append((self._since, time.time(), self._edge))
        self._edge = 403 if self._edge == 200 else 200
        self._apply()
        self.orders.await_answer(self._edge, "/edge", within=10)
        self.mesh.ns.await_condition("accesspolicy", "gate", "Programmed", within=30)
        self._since = time.time()
        self.orders.answers(200, "/orders/1", self.token)

    def begin_load(self):
        argv = [sys.executable, "-m", "harness.load", str(self.orders.port), "900"]
        self._load = self._supervisor.start("load", argv, env={"PYTHONPATH": str(tools.REPO / "e2e")}, ready=lambda: True)

    def end_load(self, least):
        """No request failed, and none was answered by another policy than that of its time."""
        self._windows.append((self._since, time.time(), self._edge))
        self._load.tell(signal.SIGTERM)
        self._load.exit_code()
        seen = json.loads(self._load.output().strip().splitlines()[-1])
        print(f"{seen['requests']} requests, {seen['failures']} failed")
        assert seen["failures"] == 0, seen["failed"]
        assert seen["requests"] > least
        wrong = [
            answer
            for answer in seen["edge"]
            for begin, end, status in self._windows
            if begin < answer[0] and answer[1] < end and answer[2] != status
        ]
        assert not wrong, wrong[:5]

    def starts_from_the_record(self):
        """Another pod of it, whose agent finds no operator: record and trust are all that it has."""
        away = f"https://localhost:{free_port()}"
        late = self.mesh.sidecar("orders", f"--fallback-dir={self.record}", trust=self.trust, operator_url=away)
        try:
            late.await_answer(200, "/orders/1", self.token)
            late.answers(200, "/open")
            late.answers(403, "/shut")
        finally:
            late.stop()
            late.pod.delete()


@pytest.fixture
def shop(mesh, mounts, supervisor, oidc, tmp_path, keys):
    return lambda: Shop(mesh, mounts, supervisor, oidc, tmp_path)


@pytest.mark.timeout(400)
def test_signing_key_and_authority_are_replaced_under_load_with_a_crash_in_each_phase(shop, keys, mounts, ns, tmp_path, mesh):
    keys.start("--key-confirm-timeout=300s", "--key-overlap=15s")
    under = shop()
    before, first_record = keys.data(), ns.get("configmap", "mesh-auth-orders")
    under.begin_load()
    for what, name in (("signing-key", "signing.key"), ("ca", "ca.crt")):
        old = keys.data()[name]
        mounts.pause()  # nobody confirms: the phase lasts
        keys.rotate(what)
        keys.await_phase(what, "announced")
        assert keys.data()[name] == old and f"next-{name}" in keys.names()
        assert keys.request() is None
        under.edit()
        under.starts_from_the_record()
        keys.crash()
        keys.await_phase(what, "announced")
        under.edit()
        stays("nothing is switched before all trust it", lambda: keys.data()[name] == old, 3)
        mounts.resume()
        keys.await_phase(what, "switched")
        assert keys.data()[name] != old and f"next-{name}" not in keys.names()
        keys.crash()
        under.edit()
        under.starts_from_the_record()
        assert keys.phases(what) == ["switched"]
        keys.await_phase(what, "steady")
        under.edit()
        under.starts_from_the_record()
    under.end_load(least=5000)
    after = keys.data()
    assert set(after) == {"signing.key", "ca.crt", "ca.key"}
    assert not {after[name] for name in after} & {before[name] for name in before}
    assert under.orders.process.output().count("reloaded") == under.orders.process.output().count('"reloaded":false')
    _is_refused_by_who_starts_now(under, first_record, tmp_path / "first")


def _is_refused_by_who_starts_now(under, record, folder):
    """What the key before has signed."""
    from harness.sidecar import mount_config_map

    mount_config_map(record, folder)
    away = f"https://localhost:{free_port()}"
    late = under.mesh.sidecar("orders", f"--fallback-dir={folder}", trust=under.trust, operator_url=away)
    await_until("it says so", lambda: "is not signed by a trusted key" in late.process.output())
    late.answers(503, "/open")


def test_the_fleets_certificate_is_replaced_under_load(shop, keys):
    keys.start("--fleet-certificate-lifetime=10s")
    under = shop()
    under.begin_load()
    seen = set()

    def three():
        seen.add(ssl.get_server_certificate(("127.0.0.1", keys.operator.fleet_port)))
        return len(seen) >= 3

    for _ in range(2):
        under.edit()
    await_until("two more certificates were served", three, within=40, every=0.2)
    under.edit()
    under.end_load(least=1000)
    assert "no stream from the operator" not in under.orders.process.output()
    assert keys.operator.metric("mesh_auth_mesh_key_not_after_timestamp_seconds", key="fleet-certificate") < time.time() + 11


def test_a_sidecar_that_does_not_follow_is_named_keeps_its_bundle_and_comes_right(shop, keys, mounts, ns):
    keys.start("--key-confirm-timeout=5s", "--key-overlap=2s")
    under = shop()
    mounts.pause()
    keys.rotate("signing-key")
    keys.await_phase("signing-key", "switched", within=60)
    pod = f"pod {ns.name}/{under.orders.pod.name}"
    named = await_until(
        "an event names it", lambda: [e for e in keys.events("KeySwitched") if pod in e["message"]], within=20
    )
    assert named[0]["type"] == "Warning"
    assert pod in keys.operator.process.output()
    assert keys.operator.metric("mesh_auth_mesh_key_switches_total", key="signing-key", confirmed="false") == 1
    await_until("it refuses what it does not trust", lambda: "is not signed by a trusted key" in under.orders.process.output())
    under.orders.answers(200, "/open")
    under.orders.answers(403, "/shut")
    mounts.resume()
    keys.await_phase("signing-key", "steady", within=60)
    under.edit()
    under.starts_from_the_record()


def test_a_key_that_is_old_is_replaced_by_itself(keys, mesh):
    keys.start()
    before = keys.data()
    keys.operator.stop()
    keys.operator.start("--signing-key-lifetime=10s", "--ca-lifetime=30s", "--key-overlap=1s", "--key-confirm-timeout=5s")
    for name in ("signing.key", "ca.crt"):
        await_until(f"{name} is another one", lambda name=name: keys.data()[name] != before[name], within=40)
    again = keys.data()["signing.key"]
    await_until("and once more", lambda: keys.data()["signing.key"] != again, within=40)
    # An authority that lasts: the tests after this one go on with it.
    keys.start("--key-overlap=1s", "--key-confirm-timeout=1s")
    short = keys.data()["ca.crt"]
    keys.rotate("ca")
    await_until("it is replaced", lambda: keys.data()["ca.crt"] != short, within=40)
    keys.await_phase("ca", "steady")
    assert keys.operator.metric("mesh_auth_mesh_key_not_after_timestamp_seconds", key="ca") > time.time() + 86400


def test_a_request_that_is_none_is_named_and_left(keys):
    keys.start()
    before = keys.data()
    keys.rotate("everything")
    await_until("an event says what would be right", lambda: [
        e for e in keys.events("KeyRotationBlocked") if "signing-key, ca or all would be right" in e["message"]
    ])
    assert keys.request() == "everything" and keys.data() == before
    keys.cluster.kubectl("annotate", "-n", chart.NAMESPACE, "secret", "mesh-auth-keys", "meshauth.dev/rotate-")
