"""gRPC through a port that is mapped as such: a real server and a real client of it, policies applied with kubectl."""

from __future__ import annotations

import queue

import grpc
import pytest

from harness.grpc_upstream import SERVICE, GrpcCaller, GrpcUpstream
from harness.ports import free_port
from harness.resources import caller, rule
from harness.wait import await_until

pytestmark = [pytest.mark.operator, pytest.mark.sidecar]

_READ = caller("idp", scopes={"all": ["orders:read"]})


def _allow(*methods):
    return rule("read", _READ, to=[{"methods": ["POST"], "paths": [f"/{SERVICE}/{method}" for method in methods]}])


@pytest.fixture
def upstream():
    made = GrpcUpstream()
    yield made
    made.close()


@pytest.fixture
def orders(mesh, upstream):
    """The caller's end of a sidecar whose port is mapped as grpc."""
    port = free_port()
    mesh.sidecar("orders", f"--map=127.0.0.1:{port}:127.0.0.1:{upstream.port}:grpc")
    made = GrpcCaller(port)
    yield made
    made.close()


def _await_code(orders, code, token=None):
    def answers():
        assert orders.code(token) == code, orders.code(token)
        return True

    await_until(f"Get is answered {code}", answers, within=15)


@pytest.fixture
def read_token(mesh, oidc, orders):
    mesh.provider(oidc)
    mesh.policy("readers", _allow("Get", "Watch"))
    token = oidc.token("alice", "orders:read")
    _await_code(orders, grpc.StatusCode.OK, token)
    return token


def test_unary_calls_are_decided_and_refusals_are_grpc_statuses(orders, upstream, oidc, read_token):
    assert orders.get(b"order 7", read_token) == b"got order 7"
    method, seen = upstream.calls[-1]
    assert method == "Get" and "traceparent" in seen

    asked = len(upstream.calls)
    assert orders.code() == grpc.StatusCode.UNAUTHENTICATED
    assert orders.code(read_token[:-8] + "AAAAAAAA") == grpc.StatusCode.UNAUTHENTICATED
    assert orders.code(oidc.token("alice")) == grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(grpc.RpcError) as refused:
        next(orders.chat(iter([b"x"]), read_token))
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert len(upstream.calls) == asked, "a refused call reached the application"


def test_streams_are_decided_when_they_begin(mesh, orders, upstream, read_token):
    watched = orders.watch(b"news", read_token)
    assert next(watched) == b"news"

    mesh.ns.edit("accesspolicy", "readers", {"spec": {"rules": [_allow("Get", "Chat")]}})

    def begins():
        talk = queue.Queue()
        replies = orders.chat(iter(talk.get, None), read_token)
        talk.put(b"hello")
        try:
            assert next(replies) == b"hello"
        except grpc.RpcError as error:
            talk.put(None)
            assert error.code() == grpc.StatusCode.PERMISSION_DENIED, error
            return None
        return talk, replies

    talk, replies = await_until("Chat is allowed", begins, within=15)
    for word in (b"one", b"two"):
        talk.put(word)
        assert next(replies) == word
    talk.put(None)
    assert list(replies) == []

    upstream.tick()
    assert next(watched) == b"news"  # it goes on, as a request in flight does
    with pytest.raises(grpc.RpcError) as refused:
        next(orders.watch(b"news", read_token))
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
    watched.cancel()
