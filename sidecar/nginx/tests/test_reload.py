"""A bundle whose auth.conf is another one: it comes into force with the reload that gives nginx that auth.conf, never
before, so that no policy meets the identity headers of another."""

import hashlib
import os
import re

import pytest

from h2 import H2Client, fields
from harness import free_port, read_response, wait_until
from resources import PUBLIC, READ, policy, provider

DENY_ALL = {"name": "nobody", "action": "Deny", "to": [{"paths": ["/public/**"]}]}


def digest(auth_conf):
    lines = [line for line in auth_conf.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


def auth_conf(name):
    return f"proxy_set_header x-{name} 1;\n"


def configured(name):
    return f"mesh_auth_conf {digest(auth_conf(name))};"


@pytest.fixture
def first(folder, key):
    return folder.write(provider("okta", key), policy(rules=[READ, PUBLIC]), auth_conf=auth_conf("one"))


def has_accepted(pid, connection):
    """Whether the process holds the other end of a connection over IPv4 (proc(5), /proc/net/tcp)."""
    held = {os.path.basename(os.path.realpath(entry.path)) for entry in os.scandir(f"/proc/{pid}/fd")}
    peer = f":{connection.getsockname()[1]:04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table]
    return any(row[2].endswith(peer) and f"socket:[{row[9]}]" in held for row in rows)


def reload_with(nginx, name, before):
    nginx.conf.write_text(nginx.conf.read_text().replace(configured(before), configured(name)))
    nginx.reload()


def test_a_bundle_with_another_auth_conf_waits_for_the_reload(folder, key, start, agent, first):
    nginx = start(workers=2, http=configured("one"))
    wait_until(lambda: len(agent.running(first)) == 2, "hello of both workers")
    old = set(nginx.workers())
    second = folder.write(provider("okta", key), policy(rules=[READ, DENY_ALL]), auth_conf=auth_conf("two"))
    # By worker: one that looks again amid the change of the link says it again.
    wait_until(lambda: set(re.findall(rf"(\d+)#.* revision {second} waits for a reload", nginx.log())) == set(map(str, old)), "both workers have read it")
    answer = nginx.request("/public/x")
    assert answer.status == 200 and "x-one" in answer.upstream_headers()
    assert agent.running(first) == old

    reload_with(nginx, "two", "one")
    wait_until(lambda: len(agent.running(second) - old) == 2, "two new workers run it")
    assert {r["authConf"] for r in agent.reports if r["pid"] not in old} == {digest(auth_conf("two"))}
    wait_until(lambda: {r["pid"] for r in agent.reports if r.get("draining") or r["type"] == "bye"} == old, "the old ones drain")
    assert nginx.request("/public/x").status == 403
    answer = nginx.request("/orders/1", key.token(scope="orders:read"))
    assert answer.status == 200 and "x-two" in answer.upstream_headers()


def test_a_link_that_points_back_before_the_reload_changes_nothing(folder, key, start, agent, first):
    nginx = start(http=configured("one"))
    second = folder.write(provider("okta", key), policy(rules=[DENY_ALL]), auth_conf=auth_conf("two"))
    wait_until(lambda: f"revision {second} waits" in nginx.log(), "it is read")
    folder.point_to(first)
    third = folder.write(provider("okta", key), policy(rules=[PUBLIC]), auth_conf=auth_conf("one") + "# a comment\n")
    wait_until(lambda: agent.running(third), "the next one that fits")
    assert nginx.request("/public/x").status == 200


def test_no_request_to_a_replaced_worker_is_allowed_with_headers_of_before(folder, key, start, agent, first):
    nginx = start(http=configured("one"))
    wait_until(lambda: agent.running(first), "hello")
    old = nginx.workers()[0]
    # Open before the reload, used after it: the old worker answers.
    lines = ["GET /public/x HTTP/1.1", "Host: orders.test"]
    with nginx.connect() as allowed, nginx.connect() as denied:
        for connection in (allowed, denied):
            connection.sendall((lines[0] + "\r\n").encode())
        wait_until(lambda: all(has_accepted(old, c) for c in (allowed, denied)), "it has both connections")
        second = folder.write(provider("okta", key), policy(rules=[PUBLIC]), auth_conf=auth_conf("two"))
        wait_until(lambda: f"revision {second} waits" in nginx.log(), "it is read")
        reload_with(nginx, "two", "one")
        wait_until(lambda: [r for r in agent.reports if r["pid"] == old and r.get("draining")], "the old one drains")
        wait_until(lambda: old in agent.running(second), "and has the newest policy")
        third = folder.write(provider("okta", key), policy("third", [PUBLIC]), auth_conf=auth_conf("two"))
        wait_until(lambda: old in agent.running(third), "as long as it is there")
        allowed.sendall((lines[1] + "\r\n\r\n").encode())
        answer = read_response(allowed.makefile("rb"))
        assert answer.status == 503
        denied.sendall((lines[1] + "\r\nX-Forged: 1\r\n\r\n").encode())
        assert read_response(denied.makefile("rb")).status == 503
    wait_until(lambda: [line["reason"] for line in nginx.access_lines()] == ["no_bundle"] * 2, "both in the log")
    assert nginx.request("/public/x").status == 200


def test_an_http_2_connection_that_was_taken_and_not_read_before_a_reload_ends_after_one_answer(folder, key, start, agent, first, upstream):
    """nginx tells every HTTP/2 connection to end when it begins to drain a worker, but not one that it has not read yet: that
    client would stay with the replaced worker, and be refused, for as long as it keeps the connection."""
    port = free_port()
    proxied = f"mesh_auth on; proxy_pass http://127.0.0.1:{upstream.port};"
    nginx = start(http=f"{configured('one')} server {{ listen 127.0.0.1:{port} http2; location / {{ {proxied} }} }}")
    wait_until(lambda: agent.running(first), "hello")
    (old,) = nginx.workers()
    client = H2Client(port)
    client.connect()
    wait_until(lambda: has_accepted(old, client.socket), "it has the connection")
    second = folder.write(provider("okta", key), policy(rules=[PUBLIC]), auth_conf=auth_conf("two"))
    wait_until(lambda: f"revision {second} waits" in nginx.log(), "it is read")
    reload_with(nginx, "two", "one")
    wait_until(lambda: old in agent.running(second), "the old one drains, and has the newest policy")
    assert client.ask(fields(b"/public/x")).status == 503
    assert client.ask(fields(b"/public/x")).error.startswith("goaway 0")
    wait_until(lambda: old not in nginx.workers(), "the old one is gone")
    assert client.ask(fields(b"/public/x")).status == 200


def test_what_waited_and_was_overtaken_is_forgotten(folder, key, start, agent, first):
    nginx = start(http=configured("one"))
    wait_until(lambda: agent.running(first), "hello")
    (old,) = nginx.workers()
    with nginx.connect() as connection:
        connection.sendall(b"GET /public/x HTTP/1.1\r\n")
        wait_until(lambda: has_accepted(old, connection), "it has the connection, and so stays for a while")
        second = folder.write(provider("okta", key), policy(rules=[DENY_ALL]), auth_conf=auth_conf("two"))
        wait_until(lambda: f"revision {second} waits" in nginx.log(), "it is read")
        third = folder.write(provider("okta", key), policy(rules=[PUBLIC]), auth_conf=auth_conf("one"))
        wait_until(lambda: old in agent.running(third), "the next one, which fits")
        nginx.reload()
        wait_until(lambda: [r for r in agent.reports if r["pid"] == old and r.get("draining")], "the old one drains")
        connection.sendall(b"Host: a\r\nConnection: close\r\n\r\n")
        assert read_response(connection.makefile("rb")).status == 200
    assert [r for r in agent.reports if r["pid"] == old and r.get("revision") == second] == []
