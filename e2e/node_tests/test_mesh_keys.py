"""The mesh's own keys are replaced by request, where kubelet brings the sidecars what they trust: under load."""

from __future__ import annotations

import time

import pytest

from harness import chart
from harness.wait import await_until
from node.forwarding import forwarded

_SECRET = "mesh-auth-keys"


@pytest.fixture
def short_overlap(release, images):
    release.upgrade(chart.FOLDER, images, "operator.extraArgs[0]=--key-overlap=5s")
    yield
    release.upgrade(chart.FOLDER, images)


def _serial(place, supervisor):
    """Of the certificate that agents are shown."""
    with forwarded(place, supervisor, chart.NAMESPACE, "service/mesh-auth-operator", 8443) as address:
        done = place.run("sh", "-c", f"openssl s_client -connect {address} </dev/null | openssl x509 -noout -serial")
    assert done.stdout.startswith("serial="), done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(400)
def test_signing_key_and_authority_and_certificates_are_replaced_under_load(shop, supervisor, short_overlap, said):
    cluster = shop.node.cluster
    shown = _serial(shop.node, supervisor)
    assert _serial(shop.node, supervisor) == shown, "it is another each time: it would prove nothing"
    keys = lambda: cluster.find("secret", _SECRET, chart.NAMESPACE)["data"]  # noqa: E731
    old, before, began = keys(), shop.count_all(), time.monotonic()
    assert set(old) == {"signing.key", "ca.crt", "ca.key"}, f"a replacement is under way: {set(old)}"
    cluster.kubectl("annotate", "secret", "-n", chart.NAMESPACE, _SECRET, "meshauth.dev/rotate=all", "--overwrite")

    def all_are_new():
        now = keys()
        same = [name for name in old if now[name] == old[name]]
        assert not same, f"still the old one: {same}"
        assert set(now) == set(old), f"still there beside the new ones: {set(now) - set(old)}"
        return True

    await_until("the keys are new, and the old ones trusted no more", all_are_new, within=300, every=0.2)
    took = time.monotonic() - began
    assert _serial(shop.node, supervisor) != shown
    shop.change_edge()
    seen = shop.since(before)
    said(f"all keys replaced in {took:.0f} s: requests {sum(sum(s.values()) for s in seen.values())}, answers {seen}")
    assert set(seen["open"]) == {200} and set(seen["shut"]) == {403} and set(seen["naked"]) == {401}, seen
