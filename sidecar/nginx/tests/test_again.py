"""Requests that come again: the worker remembers its answer to them, and nobody can tell but by the time it takes."""

import time

import pytest

from harness import wait_until
from resources import READ, Key, caller, policy, provider

FORWARD = {"claims": [{"path": ["sub"], "header": "X-User"}]}
BLOCKED = {"name": "blocked", "action": "Deny", "when": [{"header": "X-Tenant", "values": ["blocked"]}]}
DENY_ALICE = {"name": "no-alice", "action": "Deny", "from": [caller(subjects=["alice"])]}
AUTH_CONF = "proxy_set_header x-user $mesh_auth_header_x_user;\n"
OFTEN = 5  # from the third time on it is remembered


def resources(*keys, rules=(READ, BLOCKED), **spec):
    return provider("okta", *keys, forward=FORWARD, **spec), policy(rules=rules)


@pytest.fixture
def token(key):
    return key.token(scope="orders:read")


@pytest.fixture
def nginx(folder, key, start):
    folder.write(*resources(key), auth_conf=AUTH_CONF)
    return start(http="underscores_in_headers on;")


def often(nginx, token, target="/orders/1", headers=()):
    return [nginx.request(target, token, headers=headers) for _ in range(OFTEN)]


def test_the_application_sees_what_it_saw_the_first_time(nginx, token):
    seen = [answer.upstream_headers() for answer in often(nginx, token)]
    assert seen[0]["x-user"] == ["alice"]
    assert seen == seen[:1] * OFTEN


@pytest.mark.parametrize("name", ["X-User", "x_user", "X_USER"])
def test_a_client_s_own_identity_header_is_taken_out_every_time(nginx, token, name):
    often(nginx, token)
    for answer in often(nginx, token, headers=[(name, "root")]):
        seen = answer.upstream_headers()
        assert [(k, v) for k, v in seen.items() if k.replace("_", "-") == "x-user"] == [("x-user", ["alice"])]


def test_one_that_differs_is_decided_for_itself(nginx, key, token):
    assert [answer.status for answer in often(nginx, token)] == [200] * OFTEN
    other = key.token(scope="orders:write")
    forged = token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:]
    refused = {
        "method": (403, dict(method="POST")),
        "path": (403, dict(target="/order/11")),
        "dots": (400, dict(target="/orders/1/../1")),
        "escaped dots": (400, dict(target="/orders/%2e%2e/x")),
        "fragment": (400, dict(target="/orders/1#x")),
        "host": (400, dict(host="orders.test:x")),
        "no token": (401, dict(token=None)),
        "other token": (403, dict(token=other)),
        "forged token": (401, dict(token=forged)),
        "two tokens": (400, dict(headers=[("Cookie", "a=b"), ("X-Tenant", "a")], token=f"{token}, Bearer {token}")),
        "a header that a rule denies": (403, dict(headers=[("X-Tenant", "blocked")])),
    }
    for what, (status, change) in refused.items():
        asked = {"target": "/orders/1", "token": token, **change}
        for _ in range(OFTEN):
            assert nginx.request(**asked).status == status, what
        assert nginx.request("/orders/1", token).status == 200


def test_what_no_rule_looks_at_makes_no_difference(nginx, token):
    for number, answer in enumerate([nginx.request("/orders/1", token, headers=[("X-Number", str(i))]) for i in range(OFTEN)]):
        assert answer.upstream_headers()["x-number"] == [str(number)]


def test_a_change_counts_from_the_swap_on(folder, key, start, agent, token):
    def write(*keys, **more):
        revision = folder.write(*resources(*keys, **more), auth_conf=AUTH_CONF)
        wait_until(lambda: agent.running(revision), "the swap")

    folder.write(*resources(key), auth_conf=AUTH_CONF)
    nginx = start()
    assert [answer.status for answer in often(nginx, token)] == [200] * OFTEN
    write(key, rules=(READ, DENY_ALICE))
    assert [answer.status for answer in often(nginx, token)] == [403] * OFTEN
    write(key)
    assert [answer.status for answer in often(nginx, token)] == [200] * OFTEN
    write(Key("k2"))
    assert [answer.status for answer in often(nginx, token)] == [401] * OFTEN


def test_an_answer_ends_with_its_token(folder, key, start):
    folder.write(*resources(key, clockSkew="0s"), auth_conf=AUTH_CONF)
    nginx = start()
    expires = int(time.time()) + 3
    token = key.token(scope="orders:read", exp=expires)
    seen = []

    def is_refused():
        begin = time.time()
        status = nginx.request("/orders/1", token).status
        seen.append((begin, status, time.time()))
        return status == 401

    wait_until(is_refused, "the end of the token")
    assert len(seen) > OFTEN
    assert all(end >= expires if status == 401 else begin < expires + 0.1 for begin, status, end in seen)


def test_each_one_is_counted(folder, key, start, agent, token):
    revision = folder.write(*resources(key), auth_conf=AUTH_CONF)
    nginx = start()
    wait_until(lambda: agent.running(revision), "the bundle is in force")
    often(nginx, token)
    often(nginx, token)

    def counted():
        counts = [c for report in agent.of_type("counters") for c in report.get("counters", [])]
        assert {(c["allow"], c["rule"], c["provider"]) for c in counts} <= {(True, "read", "shop/okta")}
        return sum(c["count"] for c in counts) == 2 * OFTEN

    wait_until(counted, "every request in a report")
