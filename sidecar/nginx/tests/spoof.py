"""What a spoof is, and how to write one: see spoofs.py."""

from dataclasses import dataclass

EVIL = b"evil@attacker.test"
OK = (200, "")
# What nginx refuses before it asks anybody.
BAD = (400, "")
# What we refuse, with our reason.
TWICE = (400, "token_multiple")
SHAPE = (400, "token_malformed_source")
NONE = (401, "token_missing")
AMBIGUOUS = (400, "path_ambiguous")
MISMATCH = (400, "host_mismatch")


@dataclass(frozen=True)
class Spoof:
    id: str
    source: str
    what: str
    sent: object  # bytes, or a tuple of packets; over h2 and grpc: a field list
    want: tuple = OK  # (status, reason); of several answers a list of them. over h2: a status of None is a stream given up
    reached: tuple = None  # targets at the application; None: the spoof's own path, if the answer is 200
    twin: object = None  # accepted, and delivered; a spoof of which nothing is delivered has one
    twin_want: list = None  # of the twin, if not one 200
    twin_reached: tuple = None  # of the twin, if not its own path alone
    over: str = "http1"
    body: bytes = None  # over h2
    cut: bool = False  # decided by its headers, then cut off: what follows them is no body
    absent: tuple = ()  # further headers that must not reach the application

    def wants(self):
        return self.want if isinstance(self.want, list) else [self.want]


SPOOFS = []


def spoof(id, source, what, sent, want=OK, **more):
    SPOOFS.append(Spoof(id, source, what, sent, want, **more))


def req(*lines, target=b"/public/x", method=b"GET", host=b"Host: h.test", version=b"HTTP/1.1", body=b"", close=True):
    """A request that is right but for what is given. Lines go between Host and the end."""
    head = [b"%b %b %b" % (method, target, version), *([host] if host is not None else []), *lines]
    if close:
        head.append(b"Connection: close")
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def bearer(token):
    return b"Authorization: Bearer <%b>" % token


def me(*lines, **more):
    return req(*lines, target=b"/me/x", **more)


ALICE, ADMIN = bearer(b"alice"), bearer(b"admin")
SMUGGLED = b"GET /admin/smuggled HTTP/1.1\r\nHost: h.test\r\nX-User-Email: " + EVIL + b"\r\n\r\n"


def with_body(body, *lines, **more):
    return req(*lines, b"Content-Length: %d" % len(body), method=b"POST", target=b"/things", body=body, **more)


def in_chunks(*pieces, end=b"0\r\n\r\n", te=b"Transfer-Encoding: chunked", **more):
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end
    return req(te, method=b"POST", target=b"/things", body=body, **more)
