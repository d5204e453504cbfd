"""A gRPC application behind a sidecar: service shop.Orders, messages of plain bytes. A caller of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures

import grpc

SERVICE = "shop.Orders"


class GrpcUpstream:
    """Get answers with `got ` and the message; Watch sends the message, and again each time `tick` is called; Chat echoes."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str]]] = []  # method and metadata, as they arrived
        self._ticks = threading.Semaphore(0)
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        handlers = {
            "Get": grpc.unary_unary_rpc_method_handler(self._get),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
            "Chat": grpc.stream_stream_rpc_method_handler(self._chat),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def close(self) -> None:
        self._server.stop(grace=None).wait()

    def tick(self) -> None:
        self._ticks.release()

    def _note(self, method: str, context: grpc.ServicerContext) -> None:
        self.calls.append((method, {key: str(value) for key, value in context.invocation_metadata()}))

    def _get(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        self._note("Get", context)
        return b"got " + message

    def _watch(self, message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self._note("Watch", context)
        while context.is_active():
            yield message
            while context.is_active() and not self._ticks.acquire(timeout=0.1):
                pass

    def _chat(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        self._note("Chat", context)
        yield from messages


class GrpcCaller:
    """One channel to a port of loopback."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)])

    def close(self) -> None:
        self.channel.close()

    def get(self, message: bytes, token: str | None = None) -> bytes:
        """Raises grpc.RpcError, whose code() says why not."""
        return self.channel.unary_unary(f"/{SERVICE}/Get")(message, metadata=_bearer(token), timeout=10)

    def watch(self, message: bytes, token: str | None = None) -> Iterator[bytes]:
        return self.channel.unary_stream(f"/{SERVICE}/Watch")(message, metadata=_bearer(token), timeout=60)

    def chat(self, messages: Iterator[bytes], token: str | None = None) -> Iterator[bytes]:
        return self.channel.stream_stream(f"/{SERVICE}/Chat")(messages, metadata=_bearer(token), timeout=60)

    def code(self, token: str | None = None) -> grpc.StatusCode:
        """Of Get."""
        try:
            self.get(b"", token)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK


def _bearer(token: str | None) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")] if token else []
