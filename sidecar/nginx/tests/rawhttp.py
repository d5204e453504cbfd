"""HTTP as bytes, on both sides of nginx: an upstream that keeps exactly what it got and reads it more strictly than any
server, and a client that sends what no library would."""

import re
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field

from harness import Response

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([^\x00-\x20\x7f]+) HTTP/1\.[01]")
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"):[ \t]*([^\x00\r\n]*?)[ \t]*")
ANY_NAME = re.compile(rb"([^\x00-\x20\x7f:]+):[ \t]*([^\x00\r\n]*?)[ \t]*")  # where nginx is told to let every name through


class Malformed(Exception):
    """What nginx must never send to an application."""


@dataclass
class Received:
    """One request as the upstream got it."""

    head: bytes
    method: str
    target: bytes
    headers: list = field(default_factory=list)  # of (lower-case name, value), bytes
    body: bytes = b""

    def all(self, name):
        return [v for k, v in self.headers if k == name]

    def folded(self, name):
        """The values under all names that CGI takes for this one."""
        return [v for k, v in self.headers if k.replace(b"_", b"-") == name]


def chunked(data):
    """(body, bytes used) of a chunked body (RFC 9112 section 7.1, without extensions and trailers), or None: not whole."""
    body, at = b"", 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", data[at:end]):
            raise Malformed(f"chunk size {data[at:end]!r}")
        size = int(data[at:end], 16)
        at = end + 2
        if len(data) < at + size + 2:
            return None
        if data[at + size : at + size + 2] != b"\r\n":
            raise Malformed(f"chunk does not end: {data[at : at + size + 2]!r}")
        body += data[at : at + size]
        at += size + 2
        if size == 0:
            return body, at


def parse_request(data, field_line=FIELD_LINE):
    """(Received, bytes used), or None: not whole. Malformed: nothing an application should ever see."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > 1 << 20:
            raise Malformed("a head without an end")
        return None
    line, *fields = data[:end].split(b"\r\n")
    matched = REQUEST_LINE.fullmatch(line)
    if not matched:
        raise Malformed(f"request line {line!r}")
    got = Received(data[: end + 4], matched[1].decode(), matched[2])
    for text in fields:
        one = field_line.fullmatch(text)
        if not one:
            raise Malformed(f"field line {text!r}")
        got.headers.append((one[1].lower(), one[2]))
    lengths, codings = got.all(b"content-length"), got.all(b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise Malformed(f"two framings: {lengths} {codings}")
    used = end + 4
    if codings:
        if codings != [b"chunked"]:
            raise Malformed(f"transfer-encoding {codings}")
        body = chunked(data[used:])
        if body is None:
            return None
        got.body = body[0]
        used += body[1]
    elif lengths:
        if not re.fullmatch(rb"[0-9]{1,10}", lengths[0]):
            raise Malformed(f"content-length {lengths}")
        size = int(lengths[0])
        if len(data) < used + size:
            return None
        got.body = data[used : used + size]
        used += size
    return got, used


class RawUpstream:
    """Answers every request with 200 and its number, a WebSocket to /ws with 101; `requests[number]` is what it got, `faults` what no upstream may get,
    `cut` the first lines of requests whose body did not come whole before nginx closed."""

    def __init__(self, field_line=FIELD_LINE):
        self.requests, self.faults, self.cut = [], [], []
        self.field_line = field_line
        self.tunnels = set()  # upgraded connections: what comes is sent back
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.wake, waker = socket.socketpair()
        self.selector.register(waker, selectors.EVENT_READ)
        self.waker = waker
        self.buffers = {}
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.waker:
                    return
                if key.fileobj is self.listener:
                    self._accept()
                else:
                    self._read(key.fileobj)

    def _accept(self):
        connection, _ = self.listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffers[connection] = b""
        self.selector.register(connection, selectors.EVENT_READ)

    def _close(self, connection):
        left = self.buffers.pop(connection)
        if b"\r\n\r\n" in left:
            self.cut.append(left.split(b"\r\n")[0])
        elif left:
            self.faults.append(f"a head that does not end: {left[:200]!r}")
        self.tunnels.discard(connection)
        self.selector.unregister(connection)
        connection.close()

    def _read(self, connection):
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        if connection in self.tunnels:
            connection.sendall(data)
            return
        self.buffers[connection] += data
        try:
            while self.buffers[connection] and (parsed := parse_request(self.buffers[connection], self.field_line)):
                got, used = parsed
                self.buffers[connection] = self.buffers[connection][used:]
                self._answer(connection, got)
        except Malformed as fault:
            self.faults.append(f"{fault}, in {self.buffers[connection][:400]!r}")
            self.buffers[connection] = b""
            self._close(connection)

    def _answer(self, connection, got):
        number = len(self.requests)
        self.requests.append(got)
        if got.target == b"/ws" and got.all(b"upgrade") == [b"websocket"]:
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            self.tunnels.add(connection)
            return
        body = b"" if got.method == "HEAD" else b"ok\n"
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Number: %d\r\nContent-Length: 3\r\n\r\n%b" % (number, body))

    def close(self):
        self.wake.send(b"x")
        self.thread.join()
        for connection in list(self.buffers):
            connection.close()
        self.listener.close()


def parse_response(data, method, closed):
    """(Response, bytes used), or None: not whole yet. An answer without a status line is one to HTTP/0.9."""
    if not data.startswith(b"HTTP/"[: len(data)]):
        return (Response(0, [], data), len(data)) if closed else None
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    line, *fields = data[:end].decode("latin-1").split("\r\n")
    status = int(line.split()[1])
    headers = [(name.lower(), value.strip()) for name, _, value in (text.partition(":") for text in fields)]
    answer = Response(status, headers, b"")
    used = end + 4
    if method == "HEAD" or status in (100, 101, 204, 304):
        return answer, used
    if answer.header("transfer-encoding") == "chunked":
        body = chunked(data[used:])
        if body is None:
            return None
        answer.body = body[0]
        return answer, used + body[1]
    length = answer.header("content-length")
    if length is None:
        answer.body = data[used:]
        return (answer, len(data)) if closed else None
    if len(data) < used + int(length):
        return None
    answer.body = data[used : used + int(length)]
    return answer, used + int(length)


class RawClient:
    """One connection at a time, kept while nginx keeps it."""

    def __init__(self, port, source="127.0.0.1"):
        self.port, self.source, self.socket, self.buffer = port, source, None, b""

    def _open(self):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(self.source, 0))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.buffer = b""

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def _receive(self):
        """False: the other side has closed."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self.buffer += data
        return bool(data)

    def ask(self, data, method="GET"):
        """Sends one request, returns its answer. More than one answer is a failure."""
        kept = self.socket is not None
        self._open()
        try:
            self.socket.sendall(data)
        except ConnectionError:
            pass  # nginx may answer and close before it has all
        open_still = self._receive()
        if kept and not open_still and not self.buffer:  # closed while nobody asked, as a worker that ends does
            self.close()
            return self.ask(data, method)
        while not (parsed := parse_response(self.buffer, method, not open_still)) or parsed[0].status == 100:
            if parsed:
                self.buffer = self.buffer[parsed[1] :]
                continue
            assert open_still, f"closed in the middle of an answer to {data[:300]!r}: {self.buffer[:300]!r}"
            open_still = self._receive()
        answer, used = parsed
        self.buffer = self.buffer[used:]
        assert not self.buffer, f"two answers to {data[:300]!r}: {self.buffer[:300]!r}"
        if not open_still or answer.header("connection") == "close" or answer.status == 0:
            self.close()
        return answer

    def ask_all(self, pieces, quiet=0.1, method="GET"):
        """Sends the pieces, one a packet, and returns every answer until nginx closes or is quiet for that many seconds."""
        self.close()
        self._open()
        for i, piece in enumerate(pieces):
            if i:
                time.sleep(0.02)
            try:
                self.socket.sendall(piece)
            except ConnectionError:
                break
        answers, open_still = [], True
        self.socket.settimeout(20 if quiet is None else quiet)
        while open_still:
            try:
                open_still = self._receive()
            except TimeoutError:
                break
            self.socket.settimeout(quiet)
        while parsed := parse_response(self.buffer, method, True):
            if not self.buffer:
                break
            answers.append(parsed[0])
            self.buffer = self.buffer[parsed[1] :]
        self.close()
        return answers
