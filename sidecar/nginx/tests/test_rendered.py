"""nginx as the agent configures it: upgrades, and orders that an application gives to nginx."""

import contextlib
import time

import pytest

import rendered
from flavours import FLAVOURS
from harness import read_response, wait_until
from rawhttp import RawUpstream
from resources import PUBLIC, READ, caller, policy, provider

SOCKET = {"name": "socket", "action": "Allow", "from": [caller()], "to": [{"paths": ["/ws", "/live/**"]}]}


class OrderingUpstream(RawUpstream):
    """An application whose answers order nginx about."""

    ORDERS = {"x-accel-redirect": "/orders/1", "x-accel-buffering": "no", "x-accel-expires": "60", "x-accel-limit-rate": "1", "x-accel-charset": "utf-8"}

    def _answer(self, connection, got):
        if not got.target.startswith(b"/public/"):
            super()._answer(connection, got)
            return
        self.requests.append(got)
        orders = "".join(f"{name}: {value}\r\n" for name, value in self.ORDERS.items())
        connection.sendall(f"HTTP/1.1 200 OK\r\n{orders}Content-Length: 7\r\n\r\nordered".encode())


@pytest.fixture
def application():
    server = OrderingUpstream()
    yield server
    server.close()
    assert server.faults == []


@pytest.fixture
def begin(root, folder, key, agent, application):
    """A running nginx of the flavour; its providers allow no skew."""
    started = []

    def make(flavour="Module"):
        revision = folder.write(provider("okta", key, clockSkew="0s"), policy(rules=[READ, PUBLIC, SOCKET]), auth_conf="")
        nginx = rendered.start(root, folder, application.port, flavour=flavour)
        started.append(nginx)
        reports = agent if flavour == "Module" else nginx.agent
        wait_until(lambda: reports.running(revision), "the bundle is in force")
        return nginx

    yield make
    assert [problem for nginx in started for problem in nginx.stop()] == []


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_application_s_orders_to_nginx_are_passed_on_and_never_followed(begin, application, flavour):
    answer = begin(flavour).request("/public/x")
    assert (answer.status, answer.body) == (200, b"ordered")
    assert {name: answer.header(name) for name in application.ORDERS} == application.ORDERS
    assert [got.target for got in application.requests] == [b"/public/x"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_host_is_the_client_s_with_its_port(begin, application, flavour):
    assert begin(flavour).request("/public/x", host="H.Test:8080").status == 200
    (got,) = application.requests
    assert got.all(b"host") == [b"H.Test:8080"]


@contextlib.contextmanager
def upgrade(nginx, token=None, target="/ws", to="websocket", connection="Upgrade"):
    """A connection that asks for another protocol, and the answer."""
    lines = [f"GET {target} HTTP/1.1", "Host: h.test", f"Connection: {connection}", f"Upgrade: {to}"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    with nginx.connect() as s, s.makefile("rb", buffering=0) as stream:
        s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        yield s, stream, read_response(stream)


def test_a_websocket_is_decided_upgraded_and_ends_with_its_token(begin, key, application):
    nginx = begin()
    with upgrade(nginx) as (_, _, refused):
        assert refused.status == 401
    with upgrade(nginx, key.token(aud="another")) as (_, _, refused):
        assert refused.status == 401
    with upgrade(nginx, key.token(scope="x"), target="/orders/ws") as (_, _, refused):
        assert refused.status == 403
    assert application.requests == []
    expires = int(time.time()) + 3
    with upgrade(nginx, key.token(exp=expires)) as (s, stream, answer):
        assert answer.status == 101 and answer.header("Upgrade") == "websocket"
        s.sendall(b"ping")
        assert stream.read(4) == b"ping"
        assert stream.read(1) == b""  # nginx ends it
        assert expires - 0.1 <= time.time() < expires + 5
    (got,) = application.requests
    assert (got.all(b"upgrade"), got.all(b"connection")) == ([b"websocket"], [b"upgrade"])


@pytest.mark.parametrize("to", ["h2c", "TLS/1.0", "websocket, h2c", "h2c, websocket", "web socket"])
def test_no_other_protocol_is_ever_upgraded_to(begin, key, application, to):
    with upgrade(begin(), key.token(), target="/live/x", to=to) as (_, _, answer):
        assert answer.status == 200
    (got,) = application.requests
    assert got.all(b"upgrade") == []
    assert b"upgrade" not in [value.lower() for value in got.all(b"connection")]


def test_the_case_of_websocket_is_not_the_client_s_to_choose(begin, key, application):
    with upgrade(begin(), key.token(), to="WebSocket", connection="keep-alive, Upgrade, X-Forwarded-For") as (_, _, answer):
        assert answer.status == 101
    (got,) = application.requests
    assert (got.all(b"upgrade"), got.all(b"connection")) == ([b"websocket"], [b"upgrade"])
    assert got.all(b"x-forwarded-for") == [b"127.0.0.1"]
