"""HTTP/2 with prior knowledge, as frames (RFC 9113, RFC 7541): a client that sends header lists which no library lets out."""

import contextlib
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
STATIC_STATUS = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}  # RFC 7541, appendix A


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def integer(value, bits):
    """RFC 7541 section 5.1; the bits before it are zero."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([value])
    out = bytes([most])
    value -= most
    while value >= 128:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


def literal(name, value):
    """A field that no table remembers, without Huffman (RFC 7541 section 6.2.2)."""
    return b"\0" + integer(len(name), 7) + name + integer(len(value), 7) + value


def fields(target, *headers, method=b"GET", authority=b"h.test", scheme=b"http"):
    """A usual request's field list, pseudo-header fields first."""
    pseudo = [(b":method", method), (b":scheme", scheme), (b":path", target), (b":authority", authority)]
    return [(name, value) for name, value in pseudo if value is not None] + list(headers)


def status_of(block):
    while block and block[0] & 0xE0 == 0x20:  # a change of the table's size
        block = block[1:]
    if block[0] & 0x80:
        return STATIC_STATUS[block[0] & 0x7F]
    return int(block[2:5])  # nginx writes it without Huffman


class Answer:
    def __init__(self):
        self.status, self.body, self.ended, self.error = None, b"", False, None

    def __repr__(self):
        return f"status {self.status}, ended {self.ended}, error {self.error}"


class H2Client:
    """One connection at a time; a new one after nginx has given the old one up."""

    def __init__(self, port):
        self.port, self.socket = port, None

    def connect(self):
        """Without a word yet."""
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.stream = b"", 1

    def _open(self):
        if self.socket is None:
            self.connect()
        if self.stream == 1:
            self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0))

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def _frame(self):
        """(kind, flags, stream, payload), or None: closed."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self.buffer += data
        size = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        payload, self.buffer = self.buffer[9 : 9 + size], self.buffer[9 + size :]
        return kind, flags, stream & 0x7FFFFFFF, payload

    def ask(self, headers, body=None):
        """Sends one request; its answer, or its error code and that of the connection."""
        self._open()
        stream, self.stream = self.stream, self.stream + 2
        self.last = self.socket.getsockname()[1], (stream + 1) // 2  # as nginx's log knows it
        block = b"".join(literal(name, value) for name, value in headers)
        first, rest = block[:16000], [block[i : i + 16000] for i in range(16000, len(block), 16000)]
        flags = (0 if body is not None else END_STREAM) | (0 if rest else END_HEADERS)
        sent = frame(HEADERS, flags, stream, first)
        for i, more in enumerate(rest):
            sent += frame(CONTINUATION, END_HEADERS if i == len(rest) - 1 else 0, stream, more)
        if body is not None:
            sent += frame(DATA, END_STREAM, stream, body)
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(sent)
        return self._answer(stream)

    def _answer(self, wanted):
        answer = Answer()
        while not answer.ended:
            got = self._frame()
            if got is None:
                answer.error = answer.error or "closed"
                break
            kind, flags, stream, payload = got
            if kind == SETTINGS and not flags & ACK:
                self.socket.sendall(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.socket.sendall(frame(PING, ACK, 0, payload))
            elif kind == GOAWAY:
                answer.error = f"goaway {int.from_bytes(payload[4:8], 'big')}"
                break
            elif stream != wanted:
                continue
            elif kind == RST_STREAM:
                answer.error = f"reset {int.from_bytes(payload, 'big')}"
                break
            elif kind == HEADERS:
                answer.status = status_of(payload)
                answer.ended = bool(flags & END_STREAM)
            elif kind == DATA:
                answer.body += payload
                answer.ended = bool(flags & END_STREAM)
                if payload:
                    self.socket.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload))))
        if answer.error:
            self.close()
        return answer
