"""Tokens with a kid that no key has: a rotation without notice is followed, and nonsense costs the provider nothing."""

from __future__ import annotations

import os
import time

import pytest

from harness.bad_idp import DISCOVERY, JWKS, SigningKey
from harness.flood import Flood
from harness.resources import caller, rule
from harness.wait import await_until, stays

pytestmark = [pytest.mark.operator, pytest.mark.sidecar]

INTERVAL = 10
FORGED = int(os.environ.get("UNKNOWN_KIDS", "20000"))  # tools/soak.sh kids: 10^6


@pytest.fixture
def orders(mesh, bad_idp):
    """A sidecar whose provider is asked again by itself after ten minutes, or at most every INTERVAL seconds."""
    mesh.provider(bad_idp, rotation={"refreshInterval": "10m", "minRefetchInterval": f"{INTERVAL}s"})
    mesh.policy("all", rule("all", caller()))
    made = mesh.sidecar("orders")
    made.await_answer(200, token=bad_idp.token())
    return made


@pytest.fixture
def flood(supervisor, tmp_path, orders, bad_idp):
    """Starts one; all are gone at the end."""
    started = []

    def start(**options):
        made = Flood(supervisor, tmp_path / "flood", orders, bad_idp.claims(exp=int(time.time()) + 7200), **options)
        started.append(made)
        return made

    yield start
    for each in started:
        if each.process in supervisor.processes:
            each.stop()


def test_a_rotation_without_notice_costs_one_fetch_and_its_first_caller_a_retry(orders, bad_idp):
    old = bad_idp.token()
    fetched = bad_idp.requests(JWKS)
    bad_idp.rotate_without_notice()
    orders.answers(401, token=bad_idp.token())
    orders.await_answer(200, token=bad_idp.token(), within=2 * INTERVAL)
    orders.await_answer(401, token=old)  # lost or stolen: no overlap was asked for
    assert bad_idp.requests(JWKS) - fetched == 1


def test_where_nobody_asked_for_an_interval_the_first_miss_is_followed_at_once(orders, bad_idp):
    await_until("the interval is over", lambda: bad_idp.seconds_since(JWKS) > INTERVAL, within=2 * INTERVAL)
    fetched = bad_idp.requests(JWKS)
    bad_idp.rotate_without_notice()
    new = bad_idp.token()
    orders.answers(401, token=new)
    orders.await_answer(200, token=new, within=2)
    assert bad_idp.requests(JWKS) - fetched == 1


def test_a_caller_whose_kid_came_just_after_nonsense_is_not_forgotten(orders, bad_idp):
    """The nonsense is reported at once; what comes within the same second is told when that is over."""
    fetched = bad_idp.requests(JWKS)
    orders.answers(401, token=bad_idp.token(key=SigningKey("nonsense")))
    await_until("it was looked for", lambda: bad_idp.requests(JWKS) > fetched, within=2 * INTERVAL)
    bad_idp.rotate_without_notice()
    new = bad_idp.token()
    orders.answers(401, token=bad_idp.token(key=SigningKey("more nonsense")))
    orders.answers(401, token=new)  # its only request until the key is there
    await_until("the new key was fetched", lambda: bad_idp.requests(JWKS) > fetched + 1, within=3 * INTERVAL)
    orders.await_answer(200, token=new)


def test_a_flood_of_random_kids_costs_at_most_one_fetch_in_each_interval(orders, bad_idp, flood):
    good = bad_idp.token(exp=int(time.time()) + 7200)
    discovered, fetched, began = bad_idp.requests(DISCOVERY), bad_idp.requests(JWKS), time.monotonic()
    # Slow enough that a report of each second would show, were it not for the interval.
    seen = flood(count=FORGED, pause=0 if FORGED > 100_000 else 4)
    orders.answers(200, token=good)
    result = seen.finish(within=3600)
    orders.answers(200, token=good)
    await_until("one of them was looked for", lambda: bad_idp.requests(JWKS) > fetched, within=2 * INTERVAL)
    fetches = bad_idp.requests(JWKS) - fetched
    seconds = time.monotonic() - began
    print(f"{result.requests} tokens with random kids in {seconds:.1f} s: {fetches} fetches, one each {INTERVAL} s at most")
    assert fetches <= 1 + seconds / INTERVAL
    assert bad_idp.requests(DISCOVERY) == discovered
    assert result.refused == result.requests >= FORGED and not result.failed, result
    orders.stop()
    with open(orders.log, "rb") as log:
        assert sum(b'"reason":"kid_unknown"' in line for line in log) >= result.requests
    orders.log.unlink()  # a line for each


def test_a_rotation_amid_a_flood_is_followed_by_the_next_fetch(orders, bad_idp, flood):
    """The flood uses up what may be asked, and the provider rotates at the worst moment: just after it was asked."""
    fetched = bad_idp.requests(JWKS)
    flood(pause=1)
    await_until("the flood causes a fetch", lambda: bad_idp.requests(JWKS) > fetched, within=2 * INTERVAL)
    bad_idp.rotate_without_notice()
    fetched = bad_idp.requests(JWKS)
    new = bad_idp.token()
    orders.await_answer(200, token=new, within=3 * INTERVAL)
    # One more at most, if the first was answered just before the rotation.
    assert 1 <= bad_idp.requests(JWKS) - fetched <= 2
    stays("accepted, whatever else is asked", lambda: orders.ask("/", new).status == 200)
