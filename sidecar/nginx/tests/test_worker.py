"""Workers and the agent, reloads, upgraded connections."""

import os
import signal
import time

import pytest

from harness import AgentSocket, read_response, wait_until
from resources import READ, Key, caller, policy, provider

EVERYONE = {"name": "everyone", "action": "Allow", "from": [{"anyone": True}]}


@pytest.fixture
def revision(folder, key):
    return folder.write(provider("okta", key), policy(rules=[READ, EVERYONE]))


def test_a_reload_brings_workers_that_say_hello_and_old_ones_that_say_bye(start, agent, revision):
    nginx = start(workers=2)
    old = wait_until(lambda: len(agent.running(revision)) == 2 and agent.running(revision), "hello")
    nginx.reload()
    new = wait_until(lambda: len(agent.running(revision) - old) == 2 and agent.running(revision) - old, "new workers")
    wait_until(lambda: {r["pid"] for r in agent.of_type("bye")} == old, "the old ones say bye")
    wait_until(lambda: set(nginx.workers()) == new, "the old ones are gone")


def test_a_worker_that_dies_is_replaced_and_serves(start, agent, revision):
    nginx = start()
    (pid,) = wait_until(lambda: agent.running(revision), "hello")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: agent.running(revision) - {pid}, "the next worker")
    assert nginx.request("/x").status == 200
    nginx.error_log.write_text("")  # nginx is alarmed at the death, as it should be


def test_counters_say_what_was_decided(start, agent, revision, key):
    nginx = start()
    for _ in range(3):
        nginx.request("/orders/1", key.token(scope="orders:read"))
    nginx.request("/orders/1", "abc")

    def counted():
        sums = {}
        for report in agent.of_type("counters"):
            for c in report.get("counters", []):
                name = (c["allow"], c.get("reason", ""), c.get("policy", ""), c.get("provider", ""))
                sums[name] = sums.get(name, 0) + c["count"]
        return sums

    want = {(True, "", "shop/orders", "shop/okta"): 3, (False, "token_segments", "", ""): 1}
    wait_until(lambda: counted() == want, f"{want}, not {counted()}")


def test_reports_wait_for_an_agent_that_starts_later(start, agent, root, revision):
    agent.close()
    (root / "agent.sock").unlink()
    assert start().request("/x").status == 200  # so the worker has said its hello, to nobody
    late = AgentSocket(root / "agent.sock")
    try:
        wait_until(lambda: late.of_type("hello") and late.running(revision), "hello, once it is there")
    finally:
        late.close()


def kids(agent):
    return [report["kid"] for report in agent.of_type("unknown_kid")]


def test_of_many_unknown_kids_one_is_reported_at_once_and_the_last_one_a_second_later(start, agent, revision):
    nginx = start()
    for i in range(20):
        assert nginx.request("/orders/1", Key(f"k{i}").token()).status == 401
    wait_until(lambda: kids(agent)[-1:] == ["k19"], "the last one")
    assert kids(agent)[0] == "k0" and len(kids(agent)) <= 3
    assert all(report["source"] for report in agent.of_type("unknown_kid"))


def test_a_key_that_came_before_its_kid_was_reported_is_not_reported(start, agent, folder, key, revision):
    new = Key("new")
    rotated = folder.write(provider("okta", key, new), policy(rules=[READ, EVERYONE]))
    folder.point_to(revision)
    nginx = start()
    for stranger in (Key("k404"), new):
        assert nginx.request("/orders/1", stranger.token()).status == 401
    folder.point_to(rotated)
    wait_until(lambda: agent.running(rotated), "the new key")
    swapped = len(agent.reports)
    assert nginx.request("/orders/1", new.token(scope="orders:read")).status == 200
    never = Key("never").token()
    wait_until(lambda: nginx.request("/orders/1", never).status == 401 and "never" in kids(agent), "another one")
    assert "new" not in [report["kid"] for report in agent.of_type("unknown_kid", since=swapped)]


def test_a_live_worker_is_never_silent_for_long(start, agent, revision):
    start()
    wait_until(lambda: agent.of_type("counters"), "a heartbeat", 8)


UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n"


def upgraded(nginx, token, version="1.1", body=None):
    """A WebSocket; its request's body, if any, is sent when `body` returns it."""
    s = nginx.connect()
    length = "Content-Length: 1\r\n" if body else ""
    s.sendall(f"GET /ws HTTP/{version}\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{length}{UPGRADE}\r\n".encode())
    if body:
        s.sendall(body())
    stream = s.makefile("rb", buffering=0)
    return s, stream, read_response(stream)


@pytest.fixture
def any_caller(folder, key, start):
    folder.write(provider("okta", key, clockSkew="0s"), policy(rules=[{"name": "any", "action": "Allow", "from": [caller()]}]))
    return start()


def test_an_upgraded_connection_of_http_1_0_lives_no_longer(any_caller, key):
    s, stream, answer = upgraded(any_caller, key.token(exp=int(time.time()) + 2), version="1.0")
    with s:
        assert answer.status == 101
        s.sendall(b"ping")
        assert stream.read(5) == b"ping"  # and the end, where five were asked for
        assert stream.read(1) == b""


def test_nor_does_one_that_is_upgraded_after_the_end_of_its_token(any_caller, key):
    """The application answers when it has the request's body, which the client keeps back."""
    end = int(time.time()) + 2

    def body():
        wait_until(lambda: time.time() > end + 0.5, "the token's end")
        return b"x"

    s, stream, answer = upgraded(any_caller, key.token(exp=end), body=body)
    with s:
        assert answer.status == 101
        begin = time.monotonic()
        assert stream.read(1) == b""
        assert time.monotonic() - begin < 2


def test_an_upgraded_connection_lives_to_the_end_of_its_token(folder, key, start, agent):
    rule = {"name": "any", "action": "Allow", "from": [caller()]}
    folder.write(provider("okta", key, clockSkew="0s"), policy(rules=[rule]))
    nginx = start()
    assert nginx.raw(f"GET /ws HTTP/1.1\r\nHost: a\r\n{UPGRADE}Connection: close\r\n\r\n").status == 401
    s, stream, answer = upgraded(nginx, key.token(exp=int(time.time()) + 3))
    with s:
        assert answer.status == 101
        s.sendall(b"ping")
        assert stream.read(4) == b"ping"
        begin = time.monotonic()
        assert stream.read(1) == b""  # nginx closes it
        assert 1 < time.monotonic() - begin < 5
    nginx_log = nginx.log()
    assert "the token of an upgraded connection has expired" in nginx_log


def test_an_upgraded_connection_is_left_alone_before(folder, key, start):
    folder.write(provider("okta", key), policy(rules=[{"name": "any", "action": "Allow", "from": [caller()]}]))
    nginx = start()
    s, stream, answer = upgraded(nginx, key.token())
    with s:
        assert answer.status == 101
        for i in range(3):
            s.sendall(b"ping")
            assert stream.read(4) == b"ping"


def test_an_old_worker_with_an_open_connection_still_swaps(folder, key, start, agent, revision):
    nginx = start()
    (old,) = wait_until(lambda: agent.running(revision), "hello")
    with nginx.connect() as s, s.makefile("rb") as stream:
        get = b"GET /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
        s.sendall(get)  # its body is not there yet: the request keeps the old worker alive
        time.sleep(0.1)
        nginx.reload()
        wait_until(lambda: len(agent.running(revision)) == 2, "the new worker beside the old one")
        drains = lambda: [r for r in agent.reports if r["pid"] == old and r.get("draining")]
        wait_until(drains, "the old one says that it drains", 4)  # sooner than any heartbeat
        second = folder.write(provider("okta", key), policy(name="second", rules=[EVERYONE]))
        wait_until(lambda: old in agent.running(second), "the old one swaps too")
        s.sendall(b"x")
        assert read_response(stream).status == 200
    wait_until(lambda: old in {r["pid"] for r in agent.of_type("bye")}, "it ends")


def test_a_hundred_swaps_do_not_grow_the_worker(folder, key, start, agent, revision):
    nginx = start()
    (pid,) = wait_until(lambda: agent.running(revision), "hello")

    def memory():
        for line in open(f"/proc/{pid}/smaps_rollup"):
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1])

    revisions = [revision, folder.write(provider("okta", key), policy(name="b", rules=[EVERYONE]))]

    def swap(times):
        for i in range(times):
            seen = len(agent.reports)
            folder.point_to(revisions[i % 2])
            wait_until(lambda: [r for r in agent.of_type("swapped", seen) if r["revision"] == revisions[i % 2]], "a swap")
            nginx.request("/orders/1", key.token(scope="orders:read"))

    swap(20)
    before = memory()
    swap(100)
    assert memory() <= before * 1.1 + 512
