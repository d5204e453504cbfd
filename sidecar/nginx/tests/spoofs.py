"""What clients send to be taken for somebody else, or for another request: written from the RFCs and the public history.

Each spoof has an id, its source (the RFC's section, or the CVE that it is a likeness of), what it tries, the bytes, and the
answers that it gets: status and our reason, "" where nginx refuses before we are asked. What reaches the application is
named too: nothing, unless an answer is 200. The twin differs in the tried thing alone, by two lines at most (FAR_TWINS are the
exceptions), and is accepted: so it is that thing which is refused.

`<alice>` and the like stand for tokens (test_spoofs.py makes them), EVIL for what must never be believed."""

from dataclasses import dataclass

from h2 import fields

EVIL = b"evil@attacker.test"
OK = (200, "")
# What nginx refuses before it asks anybody.
BAD = (400, "")


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


ALICE, ADMIN = bearer(b"alice"), bearer(b"admin")
SMUGGLED = b"GET /admin/smuggled HTTP/1.1\r\nHost: h.test\r\nX-User-Email: " + EVIL + b"\r\n\r\n"


def with_body(body, *lines, **more):
    return req(*lines, b"Content-Length: %d" % len(body), method=b"POST", target=b"/things", body=body, **more)


def in_chunks(*pieces, end=b"0\r\n\r\n", te=b"Transfer-Encoding: chunked", **more):
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end
    return req(te, method=b"POST", target=b"/things", body=body, **more)


# --- identity headers: the client's own copies ---

SPELLINGS = [
    ("plain", "RFC 9110 section 5.1", b"X-User-Email"),
    ("lower-case", "RFC 9110 section 5.1", b"x-user-email"),
    ("upper-case", "RFC 9110 section 5.1", b"X-USER-EMAIL"),
    ("mixed-case", "RFC 9110 section 5.1", b"x-UsEr-eMaIl"),
    ("underscores", "RFC 3875 section 4.1.18; CVE-2025-64484", b"X_User_Email"),
    ("one-underscore", "CVE-2024-45614", b"X-User_Email"),
    ("other-underscore", "CVE-2024-45614", b"X_User-Email"),
    ("lower-underscores", "RFC 3875 section 4.1.18", b"x_user_email"),
    ("dots", "RFC 3875 section 4.1.18, as PHP makes names of it", b"X.User.Email"),
    ("one-dot", "RFC 3875 section 4.1.18, as PHP makes names of it", b"X-User.Email"),
    ("tilde", "RFC 9110 section 5.6.2: a tchar that CGI folds", b"X~User~Email"),
    ("bar", "RFC 9110 section 5.6.2: a tchar that CGI folds", b"X|User|Email"),
    ("plus", "RFC 9110 section 5.6.2: a tchar that CGI folds", b"X+User+Email"),
    ("percent", "RFC 9110 section 5.6.2: a tchar that CGI folds", b"X%User%Email"),
]
for name, source, spelling in SPELLINGS:
    line = spelling + b": " + EVIL
    spoof(f"identity-{name}", source, "the header itself, without a token", req(line), twin=req(b"X-Other: 1"))
    spoof(f"identity-{name}-with-token", source, "the header beside a token: ours alone counts", req(line, ALICE, target=b"/me/x"))
    spoof(f"identity-{name}-after-token", source, "the header after the token's", req(ALICE, line, line, target=b"/me/x"))
for name, spelling in [("groups", b"X-User-Groups"), ("user", b"X-User"), ("app", b"X-App-Id"), ("app-underscores", b"X_App_Id")]:
    line = spelling + b": " + EVIL
    spoof(f"identity-of-another-{name}", "RFC 9110 section 5.1", "a header that this token has no claim for", req(line, bearer(b"bob")))
    spoof(f"identity-{name}-anonymous", "RFC 9110 section 5.1", "without a token", req(line))

spoof("identity-empty", "RFC 9110 section 5.5", "an empty value in front of ours", req(b"X-User-Email:", ALICE, target=b"/me/x"))
spoof("identity-twice", "RFC 9110 section 5.3", "two copies", req(b"X-User-Email: a", b"X-User-Email: " + EVIL, ALICE, target=b"/me/x"))
spoof("identity-many-times", "RFC 9110 section 5.3", "900 copies", req(*[b"X-User-Email: " + EVIL] * 900, ALICE, target=b"/me/x"))
spoof("identity-comma", "RFC 9110 section 5.3", "a list", req(b"X-User-Email: alice@x.test, " + EVIL, ALICE, target=b"/me/x"))
spoof("identity-long-name", "CVE-2021-40346", "a name of 270 bytes", req(b"X-User-Email" + b"a" * 258 + b": " + EVIL, b"X-User-Email: " + EVIL))
spoof("identity-32-bytes", "nginx keeps 32 bytes of a name in lower case", "a name that wraps round", req(b"a" * 32 + b"X-User-Email: " + EVIL))
spoof("identity-hyphen-end", "RFC 9110 section 5.1", "another name, which nothing folds", req(b"X-User-Email-: 1"))
spoof("identity-double-hyphen", "RFC 9110 section 5.1", "another name, which nothing folds", req(b"X--User-Email: 1"))
spoof("identity-cgi-name", "RFC 3875 section 4.1.18", "the variable's name as a header", req(b"HTTP_X_USER_EMAIL: " + EVIL))
spoof("identity-space-before-colon", "RFC 9112 section 5.1; CVE-2019-16276", "a blank that servers take away", req(b"X-User-Email : " + EVIL), BAD, twin=req(b"X-Other: 1"))
spoof("identity-tab-before-colon", "RFC 9112 section 5.1", "a tab that servers take away", req(b"X-User-Email\t: " + EVIL), BAD, twin=req(b"X-User-Email: " + EVIL))
spoof("identity-nul-before-colon", "CVE-2021-43797", "a NUL that servers take away", req(b"X-User-Email\x00: " + EVIL), BAD, twin=req(b"X-User-Email: " + EVIL))
spoof("identity-control-before-colon", "CVE-2021-43797", "a control character that servers take away", req(b"X-User-Email\x1f: " + EVIL), BAD, twin=req(b"X-User-Email: " + EVIL))
spoof("identity-control-first", "CVE-2021-43797", "a control character in front", req(b"\x1fX-User-Email: " + EVIL), BAD, twin=req(b"X-User-Email: " + EVIL))
spoof("identity-no-break-space", "RFC 9110 section 5.1", "a blank that is none in ASCII", req(b"X-User-Email\xa0: " + EVIL))
spoof("identity-quoted", "RFC 9110 section 5.1", "quotes round the name", req(b'"X-User-Email": ' + EVIL))
spoof("identity-fold", "RFC 9112 section 5.2", "the header in a folded line", req(b"X-Other: a", b" X-User-Email: " + EVIL), BAD, twin=req(b"X-Other: a", b"X-Further: b"))
spoof("identity-fold-tab", "RFC 9112 section 5.2", "folded with a tab", req(b"X-Other: a", b"\tX-User-Email: " + EVIL), BAD, twin=req(b"X-Other: a", b"X-User-Email: " + EVIL))
spoof("identity-fold-first", "RFC 9112 section 2.2", "a folded line before any header", b"GET /public/x HTTP/1.1\r\n X-User-Email: " + EVIL + b"\r\nHost: h.test\r\nConnection: close\r\n\r\n", BAD, twin=b"GET /public/x HTTP/1.1\r\nX-User-Email: " + EVIL + b"\r\nHost: h.test\r\nConnection: close\r\n\r\n")
spoof("identity-fold-value", "RFC 9112 section 5.2", "the value in a folded line", req(b"X-User-Email:", b" " + EVIL), BAD, twin=req(b"X-User-Email: " + EVIL))
spoof("identity-bare-cr", "RFC 9112 section 2.2; CVE-2023-30589", "a CR that ends a line for some", req(b"X-Other: a\rX-User-Email: " + EVIL), BAD, twin=req(b"X-Other: a"))
spoof("identity-bare-lf", "RFC 9112 section 2.2; CVE-2022-32214", "an LF that ends a line: for us too", req(b"X-Other: a\nX-User-Email: " + EVIL))
spoof("identity-cr-cr-lf", "RFC 9112 section 2.2", "CR CR LF", req(b"X-Other: a\r\r\nX-User-Email: " + EVIL))
spoof("identity-lf-cr", "RFC 9112 section 2.2", "LF CR", req(b"X-Other: a\n\rX-User-Email: " + EVIL), BAD, twin=req(b"X-Other: a\nX-User-Email: " + EVIL))
for name, byte in [("vertical-tab", b"\x0b"), ("form-feed", b"\x0c"), ("next-line", b"\x85"), ("file-separator", b"\x1c"), ("utf-8-line", b"\xe2\x80\xa8")]:
    # Data to HTTP; the upstream here reads it as one value, as RFC 9110 says.
    spoof(f"identity-{name}", "RFC 9110 section 5.5", "a line end of other alphabets", req(b"X-Other: a" + byte + b"X-User-Email: " + EVIL))
spoof("identity-nul-value", "RFC 9110 section 5.5; CVE-2019-9900", "a NUL in a value", req(b"X-Other: a\x00X-User-Email: " + EVIL), BAD, twin=req(b"X-Other: aX-User-Email: " + EVIL))
spoof("identity-no-colon", "CVE-2019-20444", "a line without a colon", req(b"X-User-Email"), twin=req(b"X-Other: 1"))
spoof("identity-no-colon-next", "CVE-2019-20444", "the colon in the next line", req(b"X-User-Email", b": " + EVIL), BAD, twin=req(b"X-User-Email: " + EVIL))
spoof("identity-empty-name", "CVE-2023-25725", "an empty name ends the list for some", req(b": x", b"X-User-Email: " + EVIL), BAD, twin=req(b"X: x", b"X-User-Email: " + EVIL))
spoof("identity-two-colons", "RFC 9110 section 5.1", "a value that begins with a colon", req(b"X-User-Email:: " + EVIL))
spoof("identity-request-line", "RFC 9112 section 3", "after the version", b"GET /public/x HTTP/1.1 X-User-Email: " + EVIL + b"\r\nHost: h.test\r\n\r\n", BAD, twin=b"GET /public/x HTTP/1.1\r\nHost: h.test\r\n\r\n")
spoof("identity-crlf-path", "CVE-2023-25690", "an encoded line end in the path", req(target=b"/public/x%0d%0aX-User-Email:%20evil"), (400, "path_ambiguous"), twin=req(target=b"/public/x%20X-User-Email:%20evil"))
spoof("identity-crlf-query", "CVE-2023-25690", "an encoded line end in the query stays encoded", req(target=b"/public/x?a=%0d%0aX-User-Email:%20evil"))
spoof("identity-raw-cr-query", "RFC 9112 section 3.2", "a raw CR in the query ends the line", req(target=b"/public/x?a=\rX-User-Email: evil"), BAD, twin=req(target=b"/public/x?a=X-User-Email:%20evil"))
spoof("identity-in-query", "RFC 6750 section 2.3", "the header's name in the query", req(target=b"/public/x?X-User-Email=evil&x_user_email=evil"))
spoof("identity-in-body", "RFC 9112 section 6", "after the headers", with_body(b"X-User-Email: " + EVIL + b"\r\n\r\n"), reached=(b"/things",))
spoof("identity-trailer", "RFC 9110 section 6.5.1", "a trailer field", in_chunks(b"x", end=b"0\r\nX-User-Email: " + EVIL + b"\r\n\r\n"), reached=(b"/things",), twin=in_chunks(b"x"))
spoof("identity-trailer-announced", "RFC 9110 section 6.6.2", "a trailer field that Trailer names", in_chunks(b"x", end=b"0\r\nX-User-Email: " + EVIL + b"\r\n\r\n", te=b"Trailer: X-User-Email\r\nTransfer-Encoding: chunked"), reached=(b"/things",))
spoof("identity-trailer-underscores", "RFC 9110 section 6.5.1", "a trailer field as CGI reads it", in_chunks(b"x", end=b"0\r\nX_User_Email: " + EVIL + b"\r\n\r\n"), reached=(b"/things",))
spoof("identity-trailer-long", "CVE-2023-46589", "a trailer beyond any limit", in_chunks(b"x", end=b"0\r\nX-Long: " + b"a" * 70000 + b"\r\nX-User-Email: " + EVIL + b"\r\n\r\n"), reached=(b"/things",))
spoof("identity-trailer-no-colon", "CVE-2023-45648", "a trailer line that is none", in_chunks(b"x", end=b"0\r\nX-User-Email\r\n" + SMUGGLED), reached=(b"/things",))
spoof("identity-large", "RFC 6585 section 5", "a header beyond nginx's buffers", req(b"X-User-Email: " + b"a" * 40000), BAD, twin=req(b"X-User-Email: " + b"a" * 20000))
spoof("identity-many-large", "RFC 6585 section 5", "many headers beyond nginx's buffers", req(*[b"X-Other: " + b"a" * 30000] * 5), BAD, twin=req(*[b"X-Other: " + b"a" * 30000] * 3))
spoof("identity-claim-crlf", "RFC 9110 section 5.5", "a claim with a line end: encoded", req(bearer(b"crlf"), target=b"/me/x"))
spoof("identity-claim-comma", "RFC 9110 section 5.6.1", "a claim with a comma: encoded, so that a list has no more members", req(bearer(b"comma"), target=b"/me/x"))

# --- Connection and its like: headers dropped on the way ---

for name, line in [
    ("connection", b"Connection: close, X-User-Email"),
    ("connection-lower", b"connection: close, x-user-email, x-user-groups, x-user"),
    ("connection-twice", b"Connection: close\r\nConnection: X-User-Email"),
    ("connection-authorization", b"Connection: close, Authorization"),
    ("connection-forwarded", b"Connection: close, X-Forwarded-For, X-Forwarded-Host"),
    ("connection-host", b"Connection: close, Host"),
    ("connection-length", b"Connection: close, Content-Length"),
    ("keep-alive", b"Connection: close\r\nKeep-Alive: X-User-Email"),
    ("proxy-connection", b"Connection: close\r\nProxy-Connection: X-User-Email"),
    ("te", b"Connection: close, TE\r\nTE: trailers, X-User-Email"),
    ("trailer", b"Connection: close\r\nTrailer: X-User-Email"),
    ("close-quoted", b'Connection: close\r\nConnection: "X-User-Email"'),
]:
    source = "CVE-2022-31813; CVE-2024-45410" if "forwarded" in name else "RFC 9110 section 7.6.1; CVE-2021-33197"
    spoof(f"hop-{name}", source, "our header named as one for this hop alone", req(line, ALICE, target=b"/me/x", close=False))
spoof("hop-upgrade", "RFC 9110 section 7.8", "our header named beside an upgrade", req(b"Connection: Upgrade, X-User-Email\r\nUpgrade: websocket", ALICE, target=b"/me/x", close=False))
spoof("hop-max-forwards", "RFC 9110 section 7.6.2", "Max-Forwards: 0 changes nothing for a GET", req(b"Max-Forwards: 0", ALICE, target=b"/me/x"))

# --- where a token is found ---

TWICE = (400, "token_multiple")
SHAPE = (400, "token_malformed_source")
NONE = (401, "token_missing")


def me(*lines, **more):
    return req(*lines, target=b"/me/x", **more)


spoof("token-none", "RFC 6750 section 3", "no token at all", me(), NONE, twin=me(ALICE))
spoof("token-two-lines", "RFC 9110 section 11.6.2", "two Authorization lines", me(ALICE, ADMIN), BAD, twin=me(ALICE))
spoof("token-two-lines-same", "RFC 9110 section 11.6.2", "the same line twice", me(ALICE, ALICE), BAD, twin=me(ALICE))
spoof("token-basic-line", "RFC 9110 section 11.6.2", "a Basic line before ours", me(b"Authorization: Basic dTpw", ALICE), BAD, twin=me(ALICE))
spoof("token-comma", "RFC 9110 section 5.3", "two tokens in a list", me(b"Authorization: Bearer <alice>, Bearer <admin>"), TWICE, twin=me(ALICE))
spoof("token-comma-no-scheme", "RFC 9110 section 5.3", "two tokens behind one scheme", me(b"Authorization: Bearer <alice>,<admin>"), TWICE, twin=me(ALICE))
spoof("token-comma-first", "RFC 9110 section 5.3", "a list whose first member is empty", me(b"Authorization: , Bearer <alice>"), TWICE, twin=me(ALICE))
spoof("token-comma-last", "RFC 9110 section 5.3", "a list whose last member is empty", me(b"Authorization: Bearer <alice>,"), TWICE, twin=me(ALICE))
spoof("token-comma-basic", "RFC 9110 section 11.6.2", "a token behind Basic credentials", me(b"Authorization: Basic dTpw, Bearer <alice>"), TWICE, twin=me(ALICE))
spoof("token-lower-scheme", "RFC 9110 section 11.1", "a scheme in lower case is the same", me(b"Authorization: bearer <alice>"))
spoof("token-upper-scheme", "RFC 9110 section 11.1", "a scheme in upper case is the same", me(b"Authorization: BEARER <alice>"))
spoof("token-name-upper", "RFC 9110 section 5.1", "a name in upper case is the same", me(b"AUTHORIZATION: Bearer <alice>"))
spoof("token-empty", "RFC 6750 section 2.1", "a scheme without a token", me(b"Authorization: Bearer"), SHAPE, twin=me(ALICE))
spoof("token-blank", "RFC 6750 section 2.1", "a scheme with blanks", me(b"Authorization: Bearer   "), SHAPE, twin=me(ALICE))
spoof("token-header-empty", "RFC 9110 section 11.6.2", "an empty header is no token", me(b"Authorization:"), NONE, twin=me(ALICE))
spoof("token-two-words", "RFC 6750 section 2.1", "two words behind the scheme", me(b"Authorization: Bearer <alice> <admin>"), SHAPE, twin=me(ALICE))
spoof("token-three-blanks", "RFC 9110 section 11.4", "blanks before the token are taken away", me(b"Authorization: Bearer   <alice>"))
spoof("token-tab", "RFC 9110 section 11.4", "a tab before the token", me(b"Authorization: Bearer\t<alice>"), SHAPE, twin=me(ALICE))
spoof("token-tab-line", "RFC 9110 section 5.5; CVE-2019-18802", "a tab before the scheme is no part of the value", me(b"Authorization:\tBearer <alice>"))
spoof("token-longer-scheme", "RFC 9110 section 11.1", "a scheme that begins like ours", me(b"Authorization: BearerX <alice>"), NONE, twin=me(ALICE))
spoof("token-colon-scheme", "RFC 9110 section 11.1", "a colon behind the scheme", me(b"Authorization: Bearer: <alice>"), NONE, twin=me(ALICE))
spoof("token-no-scheme", "RFC 9110 section 11.4", "a token without a scheme", me(b"Authorization: <alice>"), NONE, twin=me(ALICE))
spoof("token-other-scheme", "RFC 7235 section 2.1", "the token behind Basic", me(b"Authorization: Basic <alice>"), NONE, twin=me(ALICE))
spoof("token-quoted", "RFC 6750 section 2.1", "a token in quotes", me(b'Authorization: Bearer "<alice>"'), SHAPE, twin=me(ALICE))
spoof("token-param", "RFC 9110 section 11.4", "a token as a parameter", me(b"Authorization: Bearer token=<alice>"), (401, "base64_invalid"), twin=me(ALICE))
spoof("token-folded", "RFC 9112 section 5.2", "a token in a folded line", me(b"Authorization: Bearer", b" <alice>"), BAD, twin=me(ALICE))
spoof("token-nul", "RFC 9110 section 5.5", "a NUL behind the token", me(b"Authorization: Bearer <alice>\x00"), BAD, twin=me(ALICE))
spoof("token-newline", "RFC 6750 section 2.1", "an encoded line end behind the token", me(b"Authorization: Bearer <alice>%0a"), SHAPE, twin=me(ALICE))
spoof("token-space-colon", "RFC 9112 section 5.1", "a blank before the colon", me(b"Authorization : Bearer <alice>"), BAD, twin=me(ALICE))
spoof("token-underscore", "RFC 3875 section 4.1.18", "a name that CGI would take for ours is none", me(b"X_App_Token: <app>"), NONE, twin=me(b"X-App-Token: <app>"))
spoof("token-proxy-authorization", "RFC 9110 section 11.7.1", "the header for proxies", me(b"Proxy-Authorization: Bearer <alice>"), NONE, twin=me(ALICE))
spoof("token-x-authorization", "RFC 9110 section 11.6.2", "names like ours", me(b"X-Authorization: Bearer <alice>", b"X-Access-Token: <alice>"), NONE, twin=me(ALICE, b"X-Access-Token: <alice>"))
spoof("token-query", "RFC 6750 section 2.3", "in the query", req(target=b"/me/x?access_token=<alice>"), NONE, twin=req(ALICE, target=b"/me/x?access_token=<alice>"))
spoof("token-form", "RFC 6750 section 2.2", "in a form", req(b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: 4", method=b"POST", target=b"/me/x", body=b"a=<a"), NONE, twin=req(ALICE, b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: 4", method=b"POST", target=b"/me/x", body=b"a=<a"))
spoof("token-trailer", "RFC 9110 section 6.5.1", "in a trailer", req(b"Transfer-Encoding: chunked", method=b"POST", target=b"/me/x", body=b"1\r\nx\r\n0\r\nAuthorization: Bearer <alice>\r\n\r\n"), NONE, twin=req(ALICE, b"Transfer-Encoding: chunked", method=b"POST", target=b"/me/x", body=b"1\r\nx\r\n0\r\nAuthorization: Bearer <alice>\r\n\r\n"))
spoof("token-in-user", "RFC 9110 section 4.2.4", "as user of the target", req(target=b"http://u:<alice>@h.test/me/x"), BAD, twin=req(ALICE, target=b"http://h.test/me/x"))
spoof("token-websocket", "RFC 6455 section 1.9", "as a subprotocol", me(b"Sec-WebSocket-Protocol: bearer, <alice>"), NONE, twin=me(ALICE, b"Sec-WebSocket-Protocol: bearer, <alice>"))
spoof("token-failing-on-public", "RFC 6750 section 3.1", "a failing token does not pass for none", req(b"Authorization: Bearer a.b.c"), (401, "base64_invalid"), twin=req())
spoof("token-two-places", "RFC 6750 section 2", "a header and a cookie", me(ALICE, b"Cookie: session=<session>"), TWICE, twin=me(b"Cookie: session=<session>"))
spoof("token-two-headers", "RFC 6750 section 2", "two headers", me(ALICE, b"X-App-Token: <app>"), TWICE, twin=me(b"X-App-Token: <app>"))
spoof("token-app-twice", "RFC 9110 section 5.3", "a bare header twice", me(b"X-App-Token: <app>", b"X-App-Token: <app>"), TWICE, twin=me(b"X-App-Token: <app>"))
spoof("token-app-comma", "RFC 9110 section 5.3", "a bare header with a list", me(b"X-App-Token: <app>,<app>"), TWICE, twin=me(b"X-App-Token: <app>"))
spoof("token-app-scheme", "RFC 9110 section 11.4", "a bare header with a scheme", me(b"X-App-Token: Bearer <app>"), SHAPE, twin=me(b"X-App-Token: <app>"))
spoof("token-app-in-authorization", "RFC 6750 section 2.1", "a token in another provider's place", me(b"Authorization: Bearer <app>"), (401, "issuer_unknown"), twin=me(b"X-App-Token: <app>"))
spoof("token-session-in-authorization", "RFC 6750 section 2.1", "a token in another provider's place", me(b"Authorization: Bearer <session>"), (401, "issuer_unknown"), twin=me(b"Cookie: session=<session>"))
spoof("token-alice-in-cookie", "RFC 6265 section 5.4", "a token in another provider's place", me(b"Cookie: session=<alice>"), (401, "issuer_unknown"), twin=me(ALICE))
spoof("cookie-twice", "RFC 6265 section 5.4", "two cookies of one name", me(b"Cookie: session=<session>; session=<session-2>"), TWICE, twin=me(b"Cookie: session=<session>; a=b"))
spoof("cookie-two-lines", "RFC 6265 section 5.4", "two Cookie lines", me(b"Cookie: session=<session>", b"Cookie: session=<session-2>"), TWICE, twin=me(b"Cookie: session=<session>"))
spoof("cookie-empty-second", "RFC 6265 section 5.4", "a second, empty one", me(b"Cookie: session=<session>; session="), TWICE, twin=me(b"Cookie: session=<session>"))
spoof("cookie-quoted", "RFC 6265 section 4.1.1", "a value in quotes", me(b'Cookie: session="<session>"'), SHAPE, twin=me(b"Cookie: session=<session>"))
spoof("cookie-quote-hides", "RFC 2109 section 4.2.2", "a quoted value that holds another cookie", me(b'Cookie: a="; session=<session>; b="', b"X-Other: 1"))
spoof("cookie-quote-hides-second", "RFC 2109 section 4.2.2", "a cookie hidden for those who know quotes", me(b'Cookie: a="; session=<session-2>; b="; session=<session>'), TWICE, twin=me(b'Cookie: a="; b="; session=<session>'))
spoof("cookie-comma", "RFC 2109 section 4.2.2", "a comma between cookies, as it once was", me(b"Cookie: a=1, session=<session-2>; session=<session>"), SHAPE, twin=me(b"Cookie: a=1; session=<session>"))
spoof("cookie-comma-alone", "RFC 2109 section 4.2.2", "the only token behind such a comma", me(b"Cookie: a=1, session=<session>"), SHAPE, twin=me(b"Cookie: a=1; session=<session>"))
spoof("cookie-case", "RFC 6265 section 5.4", "names of cookies have a case", me(b"Cookie: Session=<session>"), NONE, twin=me(b"Cookie: session=<session>"))
spoof("cookie-blank", "RFC 6265 section 5.2", "blanks round the name are taken away", me(b"Cookie: session =<session>"))
spoof("cookie-version", "RFC 2109 section 4.4", "$Version and $Path are cookies like others", me(b"Cookie: $Version=1; session=<session>; $Path=/"))
spoof("cookie-longer-name", "RFC 6265 section 5.4", "names that end like ours", me(b"Cookie: xsession=<session>; __Host-session=<session>"), NONE, twin=me(b"Cookie: xsession=<session>; session=<session>"))
spoof("cookie-no-equals", "RFC 6265 section 5.2", "a name without a value", me(b"Cookie: session"), NONE, twin=me(b"Cookie: session=<session>"))
spoof("cookie2", "RFC 2965 section 3.3.5", "the header that came after", me(b"Cookie2: session=<session>"), NONE, twin=me(b"Cookie: session=<session>"))
spoof("cookie-tab", "RFC 6265 section 5.2", "a tab round the name", me(b"Cookie: a=b;\tsession=<session>"))

# --- what a token says ---

for name, source, what, reason in [
    ("alg-none", "RFC 7518 section 3.6; CVE-2015-9235", "alg none and no signature", "alg_not_allowed"),
    ("alg-None", "RFC 7515 section 4.1.1; CVE-2018-1000531", "alg None", "alg_not_allowed"),
    ("alg-nOnE", "RFC 7515 section 4.1.1", "alg nOnE", "alg_not_allowed"),
    ("alg-empty", "RFC 7515 section 4.1.1", "alg of no characters", "alg_not_allowed"),
    ("alg-absent", "RFC 7515 section 4.1.1", "no alg", "alg_not_allowed"),
    ("alg-hs256-public", "RFC 8725 section 2.1; CVE-2016-5431", "HS256 with the public key as secret", "alg_not_allowed"),
    ("alg-list", "RFC 7515 section 4.1.1", "a list of algs", "alg_not_allowed"),
    ("alg-rs256", "RFC 7515 section 5.2", "another alg than the key's", "alg_key_mismatch"),
    ("alg-space", "RFC 7515 section 4.1.1", "a blank behind alg", "alg_not_allowed"),
    ("psychic", "CVE-2022-21449", "an ECDSA signature of zeros", "signature_invalid"),
    ("der", "RFC 7518 section 3.4", "an ECDSA signature in DER", "signature_invalid"),
    ("no-signature", "RFC 7515 section 5.2", "an empty signature", "signature_invalid"),
    ("two-segments", "RFC 7519 section 7.2", "no second dot", "token_segments"),
    ("four-segments", "RFC 7519 section 7.2", "a third dot", "token_segments"),
    ("jwe", "RFC 7516 section 3.1", "five segments", "token_segments"),
    ("padded", "RFC 7515 section 2", "base64 with padding", "base64_invalid"),
    ("plus-slash", "RFC 7515 section 2", "the other alphabet of base64", "base64_invalid"),
    ("loose-bits", "RFC 4648 section 3.5", "bits behind the last byte", "base64_invalid"),
    ("jwk", "RFC 7515 section 4.1.3; CVE-2018-0114", "its own key in the header", "signature_invalid"),
    ("jku", "RFC 7515 section 4.1.2", "where its keys are", "signature_invalid"),
    ("x5c", "RFC 7515 section 4.1.6", "its own certificate", "signature_invalid"),
    ("crit", "RFC 7515 section 4.1.11", "an extension that must be known", "crit_present"),
    ("b64", "RFC 7797 section 3", "a payload without base64", "crit_present"),
    ("kid-unknown", "RFC 7515 section 4.1.4", "a key that nobody has", "kid_unknown"),
    ("kid-path", "RFC 7515 section 4.1.4", "a kid that is a path", "kid_unknown"),
    ("kid-sql", "RFC 7515 section 4.1.4", "a kid that is a query", "kid_unknown"),
    ("kid-number", "RFC 7515 section 4.1.4", "a kid that is a number", "kid_unknown"),
    ("typ-logout", "RFC 8725 section 3.11", "a token of another kind", "typ_not_allowed"),
    ("duplicate-sub", "RFC 7519 section 4", "two claims of one name", "json_duplicate"),
    ("duplicate-alg", "RFC 7515 section 4", "two header members of one name", "json_duplicate"),
    ("not-object", "RFC 7519 section 7.2", "claims that are a list", "json_invalid"),
    ("nested", "RFC 7519 section 5.2", "a token in a token", "json_invalid"),
    ("issuer-slash", "RFC 7519 section 4.1.1", "a slash behind the issuer", "issuer_unknown"),
    ("issuer-case", "RFC 7519 section 4.1.1", "the issuer in upper case", "issuer_unknown"),
    ("issuer-list", "RFC 7519 section 4.1.1", "a list of issuers", "issuer_unknown"),
    ("issuer-absent", "RFC 7519 section 4.1.1", "no issuer", "issuer_unknown"),
    ("audience-other", "RFC 7519 section 4.1.3", "for somebody else", "audience_mismatch"),
    ("audience-prefix", "RFC 7519 section 4.1.3", "an audience that begins like ours", "audience_mismatch"),
    ("audience-absent", "RFC 8725 section 3.9", "for nobody", "audience_mismatch"),
    ("expired", "RFC 7519 section 4.1.4", "over", "expired"),
    ("exp-absent", "RFC 9068 section 2.2", "without an end", "exp_missing"),
    ("exp-text", "RFC 7519 section 2", "an end in words", "numericdate_invalid"),
    ("exp-huge", "RFC 7519 section 2", "an end beyond all numbers", "numericdate_invalid"),
    ("exp-negative", "RFC 7519 section 2", "an end before all", "numericdate_invalid"),
    ("nbf-future", "RFC 7519 section 4.1.5", "not yet", "not_yet_valid"),
    ("iat-future", "RFC 7519 section 4.1.6", "issued tomorrow", "issued_in_future"),
    ("other-key", "RFC 7515 section 5.2", "signed by somebody else with our kid", "signature_invalid"),
    ("payload-changed", "RFC 7515 section 5.2", "other claims under a true signature", "signature_invalid"),
    ("deep", "RFC 8259 section 9", "claims without a bottom", "json_too_deep"),
]:
    spoof(f"jwt-{name}", source, what, me(bearer(name.encode())), (401, reason), twin=me(ALICE))
spoof("jwt-too-large", "RFC 8725 section 3.5", "a token beyond 16 KiB", me(b"Authorization: Bearer " + b"a" * 17000), (401, "token_too_large"), twin=me(ALICE))
spoof("jwt-scope", "RFC 6750 section 3.1", "a token without the scope", req(ALICE, target=b"/admin/x"), (403, "scope_insufficient"), twin=req(ADMIN, target=b"/admin/x"))
spoof("jwt-scope-prefix", "RFC 6749 section 3.3", "a scope that begins like the one needed", req(bearer(b"administrator"), target=b"/admin/x"), (403, "scope_insufficient"), twin=req(ADMIN, target=b"/admin/x"))
spoof("jwt-scope-comma", "RFC 6749 section 3.3", "scopes with a comma between them are one scope", req(bearer(b"comma-scope"), target=b"/admin/x"), (403, "scope_insufficient"), twin=req(ADMIN, target=b"/admin/x"))
spoof("jwt-others-path", "RFC 7519 section 4.1.2", "another user's path", req(ALICE, target=b"/users/bob/x"), (403, "no_rule_matched"), twin=req(ALICE, target=b"/users/alice/x"))
spoof("jwt-others-path-encoded", "RFC 3986 section 2.1", "one's own name, spelled otherwise, is one's own", req(ALICE, target=b"/users/%61lice/x"))
spoof("jwt-subject-slash", "RFC 7519 section 4.1.2", "a subject that is a path", req(bearer(b"slash"), target=b"/users/alice/x/y"), (403, "no_rule_matched"), twin=req(ALICE, target=b"/users/alice/x"))

# --- another path ---

AMBIGUOUS = (400, "path_ambiguous")
for name, source, target in [
    ("dot-dot", "RFC 3986 section 5.2.4; CVE-2019-9901", b"/public/../admin/x"),
    ("dot", "RFC 3986 section 5.2.4", b"/./admin/x"),
    ("dot-dot-end", "RFC 3986 section 5.2.4", b"/public/.."),
    ("dot-end", "RFC 3986 section 5.2.4", b"/public/."),
    ("encoded-dots", "CVE-2021-41773", b"/public/.%2e/admin/x"),
    ("encoded-dots-both", "RFC 3986 section 2.4", b"/public/%2e%2E/admin/x"),
    ("double-encoded-dots", "CVE-2021-42013", b"/public/%%32%65%%32%65/admin/x"),
    ("overlong-slash", "CVE-2000-0884", b"/public/..%c0%af../admin/x"),
    ("overlong-dots", "CVE-2008-2938", b"/public/%c0%ae%c0%ae/admin/x"),
    ("overlong-three", "RFC 3629 section 10", b"/public/%e0%80%ae%e0%80%ae/admin/x"),
    ("surrogate", "RFC 3629 section 3", b"/public/%ed%a0%80"),
    ("beyond-unicode", "RFC 3629 section 3", b"/public/%f4%90%80%80"),
    ("latin-1", "RFC 3629 section 3", b"/public/%ff"),
    ("latin-1-raw", "RFC 3629 section 3", b"/public/\xff"),
    ("encoded-slash", "CVE-2021-29492", b"/public%2Fadmin/x"),
    ("encoded-slash-lower", "CVE-2021-29492", b"/public/..%2fadmin/x"),
    ("encoded-backslash", "CVE-2021-29492; CVE-2007-0450", b"/public/..%5cadmin/x"),
    ("backslash", "CVE-2007-0450; CVE-2018-1271", b"/public/..\\admin/x"),
    ("double-slash", "CVE-2021-31920", b"//admin/x"),
    ("double-slash-inside", "CVE-2021-31920", b"/public//x"),
    ("double-slash-end", "RFC 3986 section 3.3", b"/public/x//"),
    ("semicolon", "RFC 3986 section 3.3; CVE-2018-1199", b"/public/x;a=b"),
    ("semicolon-dots", "CVE-2020-5902", b"/public/..;/admin/x"),
    ("semicolon-first", "CVE-2020-1957", b"/;/admin/x"),
    ("semicolon-segment", "CVE-2020-1757", b"/public;/../admin/x"),
    ("semicolon-encoded-dots", "CVE-2020-13933", b"/public/..%3b/admin/x"),
    ("fragment", "CVE-2021-39156; CVE-2021-32779", b"/public/x#/../admin"),
    ("fragment-query", "CVE-2023-45539", b"/public/x?a#b"),
    ("encoded-fragment", "RFC 3986 section 3.5", b"/public/x%23"),
    ("encoded-question", "RFC 3986 section 3.4", b"/public/x%3Fa"),
    ("nul", "RFC 3986 section 7.3", b"/public/x%00.html"),
    ("newline", "CVE-2022-22978", b"/public/x%0a"),
    ("carriage-return", "CVE-2022-22978", b"/public/x%0d"),
    ("encoded-tab", "CVE-2022-0391", b"/public/.%09./admin/x"),
    ("delete", "RFC 3986 section 2", b"/public/x%7f"),
    ("bad-percent", "RFC 3986 section 2.1", b"/public/%"),
    ("bad-percent-digit", "RFC 3986 section 2.1", b"/public/%4"),
    ("bad-percent-letters", "RFC 3986 section 2.1", b"/public/%zz"),
    ("percent-u", "CVE-2001-0333, and %u of IIS", b"/public/%u002e%u002e/admin/x"),
    ("other-scheme", "RFC 9112 section 3.2.2", b"ftp://h.test/public/x"),
    ("file-scheme", "RFC 9112 section 3.2.2", b"file:///public/x"),
]:
    # nginx refuses some of them itself; what counts is who gets to see it.
    want = BAD if name in ("double-encoded-dots", "nul", "bad-percent", "bad-percent-digit", "bad-percent-letters", "percent-u", "file-scheme") else AMBIGUOUS
    spoof(f"path-{name}", source, f"{target!r}"[2:-1], req(target=target), want, twin=req(target=b"/public/x"))
spoof("path-escape-root", "CVE-2021-43798", "above the root", req(target=b"/../../../../etc/passwd"), BAD, twin=req())
spoof("path-double-encoded", "CVE-2018-3760", "decoded once, and not again", req(target=b"/public/%252e%252e/admin/x"))
spoof("path-double-encoded-slash", "CVE-2020-11989", "decoded once, and not again", req(target=b"/public/%252fadmin"))
spoof("path-encoded-letters", "RFC 3986 section 6.2.2.2", "the denied path in other letters", req(target=b"/%69nternal/x"), (403, "denied_by_rule"), twin=req(target=b"/%70ublic/x"))
spoof("path-encoded-letters-admin", "RFC 3986 section 6.2.2.2", "a path that needs a scope, in other letters", req(target=b"/%61dmin/x"), NONE, twin=req(ADMIN, target=b"/%61dmin/x"))
spoof("path-case", "RFC 3986 section 6.2.2.1", "paths have a case", req(target=b"/INTERNAL/x"), (403, "no_rule_matched"), twin=req())
spoof("path-trailing-slash", "RFC 3986 section 3.3", "a slash at the end is below", req(target=b"/internal/"), (403, "denied_by_rule"), twin=req(target=b"/public/"))
spoof("path-of-prefix", "RFC 3986 section 3.3", "a name that begins like the denied one", req(target=b"/internals/x"), (403, "no_rule_matched"), twin=req())
spoof("path-blank", "CVE-2016-5007", "a blank at the end of a segment is data", req(target=b"/internal%20/x"), (403, "no_rule_matched"), twin=req(target=b"/public/internal%20/x"))
spoof("path-blank-raw", "CVE-2013-4547", "a raw blank ends the target", req(target=b"/public/x \x00.php"), BAD, twin=req(target=b"/public/x%20.php"))
spoof("path-fullwidth", "Unicode TR 15", "letters that normalization makes dots and slashes are data", req(target=b"/public/%ef%bc%8e%ef%bc%8e%ef%bc%8fadmin"))
spoof("path-query-dots", "RFC 3986 section 3.4", "what looks like a path in the query is none", req(target=b"/public/x?/../admin/x"))
spoof("path-query-question", "RFC 3986 section 3.4", "a second question mark", req(target=b"/public/x?a?b=/../internal"))
spoof("path-asterisk", "RFC 9112 section 3.2.4", "the asterisk form", req(target=b"*", method=b"OPTIONS"), BAD, twin=req(method=b"OPTIONS"))
spoof("path-authority", "RFC 9112 section 3.2.3", "the authority form", req(target=b"h.test:80"), BAD, twin=req())
spoof("path-connect", "RFC 9110 section 9.3.6", "CONNECT", req(target=b"h.test:80", method=b"CONNECT"), BAD, twin=req())
spoof("path-connect-origin", "RFC 9110 section 9.3.6", "CONNECT with a path", req(target=b"/public/x", method=b"CONNECT"), (405, ""), twin=req())
spoof("path-trace", "RFC 9110 section 9.3.8", "TRACE shows headers", req(method=b"TRACE"), (405, ""), twin=req())
spoof("path-relative", "RFC 9112 section 3.2", "no slash", req(target=b"public/x"), BAD, twin=req())
spoof("path-backslash-first", "RFC 9112 section 3.2", "a backslash for a slash", req(target=b"\\public\\x"), BAD, twin=req())
spoof("path-absolute", "RFC 9112 section 3.2.2", "the absolute form is delivered as its path", req(target=b"http://h.test/public/x"), reached=(b"/public/x",))
spoof("path-absolute-dots", "RFC 9112 section 3.2.2", "dots in the absolute form", req(target=b"http://h.test/public/../admin"), AMBIGUOUS, twin=req(target=b"http://h.test/public/x"))
spoof("path-absolute-no-path", "RFC 9112 section 3.2.2", "no path is /", req(target=b"http://h.test?/public/x"), (403, "no_rule_matched"), twin=req(target=b"http://h.test/public/x"))
spoof("path-long", "RFC 9110 section 15.5.15", "beyond nginx's buffers", req(target=b"/public/" + b"a" * 40000), (414, ""), twin=req(target=b"/public/" + b"a" * 20000))
spoof("path-0.9", "RFC 1945 section 4.1", "HTTP/0.9 is decided like others", b"GET /admin/x\r\n", (0, ""), reached=(), twin=req(ADMIN, target=b"/admin/x"))

# --- another host ---

MISMATCH = (400, "host_mismatch")


def hosted(host, *lines, **more):
    return req(*lines, target=more.pop("target", b"/hosted/x"), host=host, **more)


PUBLIC_HOST = hosted(b"Host: public.test")
for name, source, sent, want in [
    ("two", "RFC 9112 section 3.2", hosted(b"Host: public.test", b"Host: admin.test"), BAD),
    ("two-same", "RFC 9112 section 3.2", hosted(b"Host: public.test", b"Host: public.test"), BAD),
    ("two-case", "RFC 9112 section 3.2", hosted(b"Host: public.test", b"HOST: admin.test"), BAD),
    ("none", "RFC 9112 section 3.2", hosted(None), BAD),
    ("empty", "RFC 9112 section 3.2", hosted(b"Host:"), BAD),
    ("comma", "RFC 9110 section 7.2", hosted(b"Host: public.test, admin.test"), BAD),
    ("comma-only", "RFC 9110 section 7.2", hosted(b"Host: public.test,admin.test"), MISMATCH),
    ("blank", "RFC 9110 section 7.2", hosted(b"Host: public.test admin.test"), BAD),
    ("tab", "RFC 9110 section 7.2", hosted(b"Host: public.test\tadmin.test"), BAD),
    ("user", "RFC 9110 section 4.2.4", hosted(b"Host: public.test@admin.test"), MISMATCH),
    ("user-port", "RFC 9110 section 4.2.4", hosted(b"Host: public.test:80@admin.test"), MISMATCH),
    ("path", "RFC 9110 section 7.2", hosted(b"Host: public.test/admin.test"), BAD),
    ("fragment", "RFC 9110 section 7.2", hosted(b"Host: public.test#admin.test"), MISMATCH),
    ("question", "RFC 9110 section 7.2", hosted(b"Host: public.test?admin.test"), MISMATCH),
    ("backslash", "RFC 9110 section 7.2", hosted(b"Host: public.test\\admin.test"), MISMATCH),
    ("port-word", "RFC 3986 section 3.2.3", hosted(b"Host: public.test:admin"), MISMATCH),
    ("port-large", "RFC 3986 section 3.2.3", hosted(b"Host: public.test:65536"), MISMATCH),
    ("port-two", "RFC 3986 section 3.2.3", hosted(b"Host: public.test:80:90"), MISMATCH),
    ("encoded", "RFC 3986 section 3.2.2", hosted(b"Host: public%2etest"), MISMATCH),
    ("dots", "RFC 1035 section 2.3.1", hosted(b"Host: public..test"), BAD),
    ("dot-first", "RFC 1035 section 2.3.1", hosted(b"Host: .public.test"), MISMATCH),
    ("nul", "RFC 9110 section 5.5", hosted(b"Host: public.test\x00.admin.test"), BAD),
    ("utf-8", "RFC 5890 section 2.3.2.1", hosted("Host: públic.test".encode()), MISMATCH),
    ("folded", "RFC 9112 section 5.2", hosted(b"Host: public.test\r\n admin.test"), BAD),
    ("absolute", "RFC 9112 section 3.2.2", hosted(b"Host: public.test", target=b"http://admin.test/hosted/x"), MISMATCH),
    ("absolute-other", "RFC 9112 section 3.2.2", hosted(b"Host: admin.test", target=b"http://public.test/hosted/x"), MISMATCH),
    ("absolute-port", "RFC 9112 section 3.2.2", hosted(b"Host: public.test", target=b"http://public.test:8443/hosted/x"), MISMATCH),
    ("absolute-user", "RFC 9110 section 4.2.4", hosted(b"Host: public.test", target=b"http://admin.test@public.test/hosted/x"), BAD),
    ("absolute-empty", "RFC 9110 section 4.2.1", hosted(b"Host: public.test", target=b"http:///hosted/x"), BAD),
    ("absolute-backslash", "RFC 9112 section 3.2.2", hosted(b"Host: public.test", target=b"http:\\\\public.test/hosted/x"), BAD),
    ("name-blank", "RFC 9112 section 5.1", hosted(b"Host : public.test"), BAD),
    ("ipv6-zone", "RFC 6874 section 2", hosted(b"Host: [fe80::1%25eth0]"), MISMATCH),
    ("ipv6-open", "RFC 3986 section 3.2.2", hosted(b"Host: [::1"), MISMATCH),
    ("long", "RFC 1035 section 2.3.4", hosted(b"Host: " + b"a" * 300 + b".public.test"), MISMATCH),
]:
    spoof(f"host-{name}", source, "a host that two could read differently", sent, want, twin=PUBLIC_HOST)
spoof("host-case", "CVE-2021-39155", "hosts have no case: the rule for admin.test", hosted(b"Host: ADMIN.test"), NONE, twin=hosted(b"Host: PUBLIC.test"))
spoof("host-dot", "RFC 3986 section 3.2.2", "a dot at the end: the rule for admin.test", hosted(b"Host: admin.test."), NONE, twin=hosted(b"Host: public.test."))
spoof("host-port", "RFC 3986 section 3.2.3", "a port: the rule for admin.test", hosted(b"Host: admin.test:1234"), NONE, twin=hosted(b"Host: public.test:1234"))
spoof("host-tab-end", "RFC 9110 section 5.5; CVE-2019-18802", "a tab behind the host", hosted(b"Host: admin.test\t"), BAD, twin=PUBLIC_HOST)
for name in (b"X-Forwarded-Host", b"X-Host", b"X-Forwarded-Server", b"X-HTTP-Host-Override", b"X-Original-Host"):
    spoof(f"host-by-{name.decode().lower()}", "RFC 7239 section 5.3", "another host in a header: the one of Host is decided on", hosted(b"Host: admin.test", name + b": public.test"), NONE, twin=hosted(b"Host: public.test", name + b": public.test"))
spoof("host-by-forwarded", "RFC 7239 section 5.3", "another host in Forwarded", hosted(b"Host: admin.test", b"Forwarded: host=public.test"), NONE, twin=hosted(b"Host: public.test", b"Forwarded: host=public.test"))
spoof("host-1.0-none", "RFC 9112 section 3.2", "HTTP/1.0 without a host fits no rule that names one", hosted(None, version=b"HTTP/1.0"), (403, "no_rule_matched"), twin=hosted(b"Host: public.test", version=b"HTTP/1.0"))
spoof("host-1.0-absolute", "RFC 9112 section 3.2.2", "HTTP/1.0 with a host in the target alone", hosted(None, version=b"HTTP/1.0", target=b"http://admin.test/hosted/x"), NONE, twin=hosted(None, version=b"HTTP/1.0", target=b"http://public.test/hosted/x"))

# --- another method, another address, another header ---

for name in (b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override", b"_method"):
    spoof(f"method-by-{name.decode().lower()}", "RFC 9110 section 9.1", "another method in a header: that of the request line is decided on", req(name + b": POST", target=b"/things"), (403, "no_rule_matched"), twin=req(method=b"POST", target=b"/things"))
spoof("method-by-query", "RFC 9110 section 9.1", "another method in the query", req(target=b"/things?_method=POST"), (403, "no_rule_matched"), twin=req(method=b"POST", target=b"/things?_method=POST"))
spoof("method-lower", "RFC 9110 section 9.1", "methods have a case", req(method=b"post", target=b"/things"), BAD, twin=req(method=b"POST", target=b"/things"))
spoof("method-space", "RFC 9112 section 3", "a blank before the method", b" " + req(), BAD, twin=req())
spoof("method-unknown", "RFC 9110 section 9.1", "a method that nobody knows fits no rule that names others", req(method=b"POSTX", target=b"/things"), (403, "no_rule_matched"), twin=req(method=b"POST", target=b"/things"))
spoof("method-head", "RFC 9110 section 9.3.2", "HEAD is no GET", req(method=b"HEAD", target=b"/things"), (403, "no_rule_matched"), twin=req(method=b"POST", target=b"/things"))
spoof("method-nul", "RFC 9110 section 9.1", "a NUL in the method", req(method=b"GE\x00T"), BAD, twin=req())
for name, line in [
    ("x-forwarded-for", b"X-Forwarded-For: 10.0.0.1"),
    ("x-real-ip", b"X-Real-IP: 10.0.0.1"),
    ("true-client-ip", b"True-Client-IP: 10.0.0.1"),
    ("client-ip", b"Client-IP: 10.0.0.1"),
    ("cf-connecting-ip", b"CF-Connecting-IP: 10.0.0.1"),
    ("x-cluster-client-ip", b"X-Cluster-Client-IP: 10.0.0.1"),
    ("x-originating-ip", b"X-Originating-IP: 10.0.0.1"),
    ("forwarded", b"Forwarded: for=10.0.0.1"),
    ("x-envoy-external-address", b"X-Envoy-External-Address: 10.0.0.1"),
    ("x-remote-addr", b"X-Remote-Addr: 10.0.0.1"),
]:
    spoof(f"address-by-{name}", "RFC 7239 section 8.1", "another address in a header: that of the connection counts", req(line, target=b"/office/x"), (403, "no_rule_matched"), twin=req(line))
for name, source in [
    ("X-Original-URL", "CVE-2018-14773"),
    ("X-Rewrite-URL", "CVE-2018-14773"),
    ("X-Original-URI", "CVE-2018-14773"),
    ("X-Forwarded-URI", "RFC 7239 section 5"),
    ("X-Forwarded-Path", "RFC 7239 section 5"),
    ("X-Forwarded-Prefix", "RFC 7239 section 5"),
    ("X-Envoy-Original-Path", "CVE-2023-27487"),
    ("X-Accel-Redirect", "nginx, X-Accel"),
    ("X-Middleware-Subrequest", "CVE-2025-29927"),
    ("Content-Location", "RFC 9110 section 8.7"),
    ("Destination", "RFC 4918 section 10.3"),
]:
    line = name.encode() + b": /public/x"
    spoof(f"path-by-{name.lower()}", source, "another path in a header: that of the request line is decided on", req(line, target=b"/admin/x"), NONE, twin=req(line, target=b"/public/x"))
spoof("header-proxy", "CVE-2016-5385", "Proxy becomes HTTP_PROXY where CGI is spoken", req(b"Proxy: http://evil.test"), absent=(b"proxy",), twin=req())
spoof("header-identity-in-rule", "RFC 9110 section 5.1", "a rule that goes by an identity header does not go by the client's", req(b"X-User-Email: " + EVIL, target=b"/by-identity/x"), (403, "no_rule_matched"), twin=req(b"X-User-Email: " + EVIL))
spoof("header-tenant-tab", "RFC 9110 section 5.5; CVE-2019-18802", "a tab is no part of a value", req(b"X-Tenant:\tblue\t", target=b"/tenant/x"))
spoof("header-tenant-twice", "RFC 9110 section 5.3; CVE-2020-25017", "a header twice holds for no rule", req(b"X-Tenant: blue", b"X-Tenant: red", target=b"/tenant/x"), (403, "no_rule_matched"), twin=req(b"X-Tenant: blue", target=b"/tenant/x"))
spoof("header-tenant-comma", "RFC 9110 section 5.3", "a list is another value", req(b"X-Tenant: blue, red", target=b"/tenant/x"), (403, "no_rule_matched"), twin=req(b"X-Tenant: blue", target=b"/tenant/x"))
spoof("header-tenant-underscore", "RFC 3875 section 4.1.18", "a name that CGI would take for it is none", req(b"X_Tenant: blue", target=b"/tenant/x"), (403, "no_rule_matched"), twin=req(b"X-Tenant: blue", target=b"/tenant/x"))
spoof("header-tenant-case", "RFC 9110 section 5.1", "values have a case", req(b"X-Tenant: BLUE", target=b"/tenant/x"), (403, "no_rule_matched"), twin=req(b"X-Tenant: blue", target=b"/tenant/x"))
spoof("header-blocked-twice", "RFC 9110 section 5.3; CVE-2020-25017", "a denied value beside another one", req(b"X-Tenant: blocked", b"X-Tenant: blue"), (403, "denied_by_rule"), twin=req(b"X-Tenant: blue"))
spoof("header-blocked-second", "RFC 9110 section 5.3", "a denied value behind another one", req(b"X-Tenant: blue", b"X-Tenant: blocked"), (403, "denied_by_rule"), twin=req(b"X-Tenant: blue", b"X-Tenant: red"))
spoof("header-blocked-comma", "RFC 9110 section 5.3", "a denied value in a list", req(b"X-Tenant: blue, blocked"), (403, "denied_by_rule"), twin=req(b"X-Tenant: blue, red"))
spoof("header-blocked-tab", "RFC 9110 section 5.5", "a denied value behind a tab", req(b"X-Tenant: \tblocked"), (403, "denied_by_rule"), twin=req(b"X-Tenant: \tblue"))
spoof("header-preflight", "Fetch, CORS-preflight fetch", "a preflight is decided like any request", req(b"Origin: https://a.test", b"Access-Control-Request-Method: GET", method=b"OPTIONS", target=b"/me/x"), NONE, twin=req(ALICE, b"Origin: https://a.test", b"Access-Control-Request-Method: GET", method=b"OPTIONS", target=b"/me/x"))

# --- where one request ends ---

for name, source, sent, want in [
    ("cl-te", "RFC 9112 section 6.1; CVE-2005-2088", in_chunks(b"x", te=b"Content-Length: 6\r\nTransfer-Encoding: chunked"), BAD),
    ("te-cl", "RFC 9112 section 6.1", in_chunks(b"x", te=b"Transfer-Encoding: chunked\r\nContent-Length: 6"), BAD),
    ("te-cl-0", "RFC 9112 section 6.1", in_chunks(SMUGGLED, te=b"Content-Length: 0\r\nTransfer-Encoding: chunked"), BAD),
    ("te-twice", "CVE-2020-8287", in_chunks(b"x", te=b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), BAD),
    ("te-twice-same", "CVE-2020-8287", in_chunks(b"x", te=b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), BAD),
    ("te-list", "RFC 9112 section 6.1", in_chunks(b"x", te=b"Transfer-Encoding: gzip, chunked"), (501, "")),
    ("te-list-last", "RFC 9112 section 6.3; CVE-2019-18277", in_chunks(b"x", te=b"Transfer-Encoding: chunked, identity"), (501, "")),
    ("te-identity", "CVE-2021-33037", in_chunks(b"x", te=b"Transfer-Encoding: identity\r\nContent-Length: 1"), (501, "")),
    ("te-unknown", "CVE-2019-18277", in_chunks(b"x", te=b"Transfer-Encoding: foobar"), (501, "")),
    ("te-xchunked", "RFC 9112 section 7", in_chunks(b"x", te=b"Transfer-Encoding: xchunked"), (501, "")),
    ("te-parameter", "RFC 9112 section 7", in_chunks(b"x", te=b"Transfer-Encoding: chunked;q=1"), (501, "")),
    ("te-quoted", "CVE-2022-32213", in_chunks(b"x", te=b'Transfer-Encoding: "chunked"'), (501, "")),
    ("te-empty", "RFC 9112 section 6.1", in_chunks(b"x", te=b"Transfer-Encoding:"), (501, "")),
    ("te-comma", "RFC 9110 section 5.6.1", in_chunks(b"x", te=b"Transfer-Encoding: ,chunked"), (501, "")),
    ("te-vertical-tab", "CVE-2019-18277", in_chunks(b"x", te=b"Transfer-Encoding: \x0bchunked"), (501, "")),
    ("te-tab", "CVE-2019-16786; CVE-2022-24801", in_chunks(b"x", te=b"Transfer-Encoding:\tchunked"), (501, "")),
    ("te-tab-end", "CVE-2019-16789", in_chunks(b"x", te=b"Transfer-Encoding: chunked\t"), (501, "")),
    ("te-space-colon", "RFC 9112 section 5.1; CVE-2019-16869", in_chunks(b"x", te=b"Transfer-Encoding : chunked"), BAD),
    ("te-space-first", "CVE-2020-7238", in_chunks(b"x", te=b"X-Other: 1\r\n Transfer-Encoding: chunked"), BAD),
    ("te-folded", "RFC 9112 section 5.2; CVE-2022-32215", in_chunks(b"x", te=b"Transfer-Encoding:\r\n chunked"), BAD),
    ("te-nul", "RFC 9110 section 5.5", in_chunks(b"x", te=b"Transfer-Encoding: chunked\x00"), BAD),
    ("te-bare-cr", "CVE-2023-30589", in_chunks(b"x", te=b"X-Other: 1\rTransfer-Encoding: chunked"), BAD),
    ("te-1.0", "RFC 9112 section 6.1; CVE-2021-33037", in_chunks(b"x", version=b"HTTP/1.0"), BAD),
    ("cl-twice", "RFC 9112 section 6.3; CVE-2019-16792", req(b"Content-Length: 1", b"Content-Length: 2", method=b"POST", target=b"/things", body=b"xy"), BAD),
    ("cl-twice-same", "RFC 9112 section 6.3; CVE-2020-10108", req(b"Content-Length: 1", b"Content-Length: 1", method=b"POST", target=b"/things", body=b"x"), BAD),
    ("cl-list", "RFC 9112 section 6.3", req(b"Content-Length: 1, 1", method=b"POST", target=b"/things", body=b"x"), BAD),
    ("cl-plus", "RFC 9110 section 8.6; CVE-2022-24761", req(b"Content-Length: +1", method=b"POST", target=b"/things", body=b"x"), BAD),
    ("cl-minus", "RFC 9110 section 8.6", req(b"Content-Length: -1", method=b"POST", target=b"/things", body=b"x"), BAD),
    ("cl-hex", "RFC 9110 section 8.6; CVE-2023-38697", req(b"Content-Length: 0x1", method=b"POST", target=b"/things", body=b"x"), BAD),
    ("cl-blank", "RFC 9110 section 8.6", req(b"Content-Length: 1 1", method=b"POST", target=b"/things", body=b"x"), BAD),
    ("cl-empty", "CVE-2023-40225", req(b"Content-Length:", method=b"POST", target=b"/things", body=SMUGGLED), BAD),
    ("cl-word", "CVE-2022-42252", req(b"Content-Length: one", method=b"POST", target=b"/things", body=SMUGGLED), BAD),
    ("cl-huge", "RFC 9110 section 8.6", req(b"Content-Length: 99999999999999999999", method=b"POST", target=b"/things", body=b"x"), BAD),
    ("cl-wrap", "RFC 9110 section 8.6", req(b"Content-Length: 18446744073709551617", method=b"POST", target=b"/things", body=b"x"), BAD),
    ("cl-tab", "RFC 9110 section 5.5", req(b"Content-Length:\t1", method=b"POST", target=b"/things", body=b"x"), BAD),
    ("cl-decimal", "RFC 9110 section 8.6", req(b"Content-Length: 1.0", method=b"POST", target=b"/things", body=b"x"), BAD),
    ("cl-space-colon", "CVE-2024-27982; CVE-2021-22959", req(b"Content-Length : 1", method=b"POST", target=b"/things", body=b"x"), BAD),
]:
    body = SMUGGLED if SMUGGLED in sent else b"x"
    spoof(f"framing-{name}", source, "an end that two could see in different places", sent, want, twin=(in_chunks if "te" in name else with_body)(body))
CHUNKED = b"POST /things HTTP/1.1\r\nHost: h.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
for name, source, body in [
    ("chunk-hex-prefix", "RFC 9112 section 7.1; CVE-2022-24761", b"0x1\r\nx\r\n0\r\n\r\n"),
    ("chunk-plus", "RFC 9112 section 7.1; CVE-2023-38697", b"+1\r\nx\r\n0\r\n\r\n"),
    ("chunk-minus", "RFC 9112 section 7.1", b"-1\r\nx\r\n0\r\n\r\n"),
    ("chunk-overflow", "RFC 9112 section 7.1", b"fffffffffffffffff\r\nx\r\n0\r\n\r\n"),
    ("chunk-wrap", "RFC 9112 section 7.1", b"10000000000000001\r\nx\r\n0\r\n\r\n"),
    ("chunk-empty", "RFC 9112 section 7.1", b"\r\nx\r\n0\r\n\r\n"),
    ("chunk-no-end", "RFC 9112 section 7.1", b"1\r\nxy\r\n0\r\n\r\n"),
    ("chunk-letters", "RFC 9112 section 7.1", b"zz\r\nx\r\n0\r\n\r\n"),
]:
    spoof(f"framing-{name}", source, "a chunk of no size", CHUNKED + body, BAD, cut=True, twin=in_chunks(b"x"))
# What nginx reads in its own way it writes anew: the application gets one reading, ours.
REWRITTEN = dict(reached=(b"/things",))
spoof("framing-chunk-extension", "RFC 9112 section 7.1.1; CVE-2021-22960", "an extension is dropped", CHUNKED + b"1;a=b\r\nx\r\n0\r\n\r\n", **REWRITTEN)
spoof("framing-chunk-extension-lf", "CVE-2025-22871; CVE-2023-38697", "an extension that ends with LF alone", CHUNKED + b"1;a\nx\r\n0\r\n\r\n", **REWRITTEN)
spoof("framing-chunk-lf", "RFC 9112 section 7.1; CVE-2025-22871", "lines that end with LF alone", CHUNKED + b"1\nx\n0\n\n", **REWRITTEN)
spoof("framing-chunk-zeros", "RFC 9112 section 7.1", "zeros before the size", CHUNKED + b"0000000000000001\r\nx\r\n000\r\n\r\n", **REWRITTEN)
spoof("framing-chunk-blank", "RFC 9112 section 7.1.1; CVE-2022-24801", "a blank behind the size", CHUNKED + b"1 \r\nx\r\n0\r\n\r\n", **REWRITTEN)
spoof("framing-lf-lines", "RFC 9112 section 2.2; CVE-2019-16785; CVE-2021-41136", "a length behind an LF is a header to us too", req(b"Content-Length: 1", b"X-Other: a\nContent-Length: 0", method=b"POST", target=b"/things", body=b"x"), BAD, twin=req(b"Content-Length: 1", b"X-Other: a", method=b"POST", target=b"/things", body=b"x"))
spoof("framing-te-upper", "RFC 9112 section 7", "CHUNKED is chunked", in_chunks(b"x", te=b"Transfer-Encoding: CHUNKED"), **REWRITTEN)
spoof("framing-te-underscore", "RFC 3875 section 4.1.18", "a name that CGI would take for it is dropped", req(b"Transfer_Encoding: chunked", b"Content-Length: 1", method=b"POST", target=b"/things", body=b"x"), **REWRITTEN)
spoof("framing-cl-zeros", "RFC 9110 section 8.6", "zeros before the length", req(b"Content-Length: 0001", method=b"POST", target=b"/things", body=b"x"), **REWRITTEN)
spoof("framing-body-is-request", "RFC 9112 section 6.3", "a request in a body stays a body", with_body(SMUGGLED), **REWRITTEN)
spoof("framing-chunk-is-request", "RFC 9112 section 7.1", "a request in a chunk stays a body", in_chunks(SMUGGLED), **REWRITTEN)
spoof("framing-get-body", "RFC 9110 section 9.3.1", "a request in the body of a GET stays a body", req(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED), reached=(b"/public/x",))
spoof("framing-head-body", "RFC 9110 section 9.3.2", "a request in the body of a HEAD", req(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED, method=b"HEAD"), reached=(b"/public/x",))
spoof("framing-denied-body", "RFC 9112 section 9.3; CVE-2022-22720", "a request in the body of a refused one", req(b"Content-Length: %d" % len(SMUGGLED), method=b"POST", target=b"/internal/x", body=SMUGGLED), (403, "denied_by_rule"), twin=with_body(SMUGGLED))
spoof("framing-denied-body-open", "RFC 9112 section 9.3; CVE-2022-22720", "the same on a connection that is kept", req(b"Content-Length: %d" % len(SMUGGLED), method=b"POST", target=b"/internal/x", body=SMUGGLED, close=False), (403, "denied_by_rule"), twin=with_body(SMUGGLED, close=False))
spoof("framing-denied-then-next", "RFC 9112 section 9.3.2", "each request of a pipeline is decided", req(target=b"/internal/x", close=False) + req(target=b"/admin/x", close=False) + req(), [(403, "denied_by_rule"), NONE, OK], reached=(b"/public/x",))
spoof("framing-allowed-then-denied", "RFC 9112 section 9.3.2", "an allowed request vouches for no other", req(close=False) + SMUGGLED + req(), [OK, NONE, OK], reached=(b"/public/x", b"/public/x"))
spoof("framing-token-then-none", "RFC 9112 section 9.3.2", "a token holds for its own request", me(ALICE, close=False) + me(close=False) + me(ALICE), [OK, NONE, OK], reached=(b"/me/x", b"/me/x"))
spoof("framing-bad-then-next", "CVE-2022-22720", "after 400 the connection ends", req(target=b"/public/../x", close=False) + req(), AMBIGUOUS, reached=(), twin=req(close=False) + req(), twin_reached=(b"/public/x", b"/public/x"))
spoof("framing-bad-nginx-then-next", "CVE-2022-22720", "after nginx's own 400 too", req(b"X-Other : 1", close=False) + req(), BAD, reached=(), twin=req(b"X-Other: 1", close=False) + req(), twin_reached=(b"/public/x", b"/public/x"))
spoof("framing-0.cl", "RFC 9110 section 10.1.1", "Expect, and a body that is a request", with_body(SMUGGLED, b"Expect: 100-continue"), [(100, ""), OK], **REWRITTEN)
spoof("framing-expect-refused", "RFC 9110 section 10.1.1", "no 100 for a refused request, and its body is none to answer", req(b"Expect: 100-continue", b"Content-Length: %d" % len(SMUGGLED), method=b"POST", target=b"/internal/x", body=SMUGGLED), (403, "denied_by_rule"), twin=with_body(SMUGGLED, b"Expect: 100-continue"), twin_want=[(100, ""), OK])
spoof("framing-expect-blank", "RFC 9110 section 10.1.1", "Expect that is none", with_body(SMUGGLED, b"Expect: y 100-continue"), **REWRITTEN)
spoof("framing-h2c", "RFC 7540 section 3.2", "h2c is not upgraded", req(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", close=False), reached=(b"/public/x",))
spoof("framing-h2c-admin", "RFC 7540 section 3.2", "h2c to a path that needs a scope", req(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", target=b"/admin/x", close=False), NONE, twin=req(ADMIN, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", target=b"/admin/x", close=False))
spoof("framing-h2c-list", "RFC 9110 section 7.8", "h2c beside websocket", req(b"Connection: Upgrade", b"Upgrade: h2c, websocket", close=False), reached=(b"/public/x",))
spoof("framing-websocket-refused", "RFC 6455 section 4.2.2", "an upgrade that the application does not take is no tunnel", req(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 777", close=False) + SMUGGLED, [OK, NONE], reached=(b"/public/x",))
spoof("framing-preface", "RFC 9113 section 3.4", "the preface of HTTP/2 on a port for HTTP/1", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD, twin=req())
spoof("framing-version", "RFC 9112 section 2.3", "a version that is none", req(version=b"HTTP/3.0"), (505, ""), twin=req())
spoof("framing-version-long", "RFC 9112 section 2.3", "more digits than one", req(version=b"HTTP/1.1111"), BAD, twin=req())
spoof("framing-version-lower", "RFC 9112 section 2.3", "versions have a case", req(version=b"http/1.1"), BAD, twin=req())
spoof("framing-packets", "RFC 9112 section 9.3", "a request in packets of few bytes", tuple(req(b"X-User-Email: " + EVIL)[i : i + 11] for i in range(0, 99, 11)), reached=(b"/public/x",))
spoof("framing-0.9-then-next", "RFC 1945 section 4.1", "what follows HTTP/0.9 is no request", b"GET /public/x\r\n" + SMUGGLED, (0, ""), reached=(b"/public/x",))

# --- over HTTP/2 ---

LOST = (None, "")


def h2(id, source, what, sent, want=OK, **more):
    spoof(f"h2-{id}", source, what, sent, want, over="h2", **more)


PLAIN = fields(b"/public/x")
h2("identity", "RFC 9113 section 8.2", "the header itself", fields(b"/public/x", (b"x-user-email", EVIL)), twin=PLAIN)
h2("identity-with-token", "RFC 9113 section 8.2", "the header beside a token", fields(b"/me/x", (b"x-user-email", EVIL), (b"authorization", b"Bearer <alice>")))
h2("identity-upper", "RFC 9113 section 8.2.1", "a name in upper case", fields(b"/public/x", (b"X-User-Email", EVIL)), LOST, twin=PLAIN)
h2("identity-underscores", "RFC 3875 section 4.1.18", "a name as CGI reads it", fields(b"/public/x", (b"x_user_email", EVIL)))
h2("identity-dots", "RFC 3875 section 4.1.18", "a name as PHP reads it", fields(b"/public/x", (b"x.user.email", EVIL)))
h2("identity-space", "RFC 9113 section 8.2.1; CVE-2021-43797", "a blank behind the name", fields(b"/public/x", (b"x-user-email ", EVIL)), LOST, twin=PLAIN)
h2("identity-colon", "RFC 9113 section 8.2.1", "a colon in the name", fields(b"/public/x", (b"x-other: 1\r\nx-user-email", EVIL)), LOST, twin=fields(b"/public/x", (b"x-other", b"1")))
h2("identity-crlf", "RFC 9113 section 8.2.1", "a line end in a value", fields(b"/public/x", (b"x-other", b"a\r\nX-User-Email: " + EVIL)), LOST, twin=PLAIN)
h2("identity-lf", "RFC 9113 section 8.2.1", "an LF in a value", fields(b"/public/x", (b"x-other", b"a\nX-User-Email: " + EVIL)), LOST, twin=fields(b"/public/x", (b"x-other", b"a")))
h2("identity-cr", "RFC 9113 section 8.2.1", "a CR in a value", fields(b"/public/x", (b"x-other", b"a\rX-User-Email: " + EVIL)), LOST, twin=fields(b"/public/x", (b"x-other", b"a")))
h2("identity-nul", "RFC 9113 section 8.2.1", "a NUL in a value", fields(b"/public/x", (b"x-other", b"a\x00b")), LOST, twin=fields(b"/public/x", (b"x-other", b"ab")))
h2("identity-connection", "RFC 9113 section 8.2.2", "our header named as one for this hop", fields(b"/me/x", (b"connection", b"x-user-email"), (b"authorization", b"Bearer <alice>")))
h2("pseudo-unknown", "RFC 9113 section 8.3", "a pseudo-header that does not exist", fields(b"/public/x", (b":x-user-email", EVIL)), BAD, twin=PLAIN)
h2("pseudo-late", "RFC 9113 section 8.3", "a pseudo-header behind the others", [*PLAIN[:3], (b"x-other", b"1"), (b":authority", b"h.test")])
h2("path-twice", "RFC 9113 section 8.3.1", "two paths", [*PLAIN, (b":path", b"/admin/x")], BAD, twin=PLAIN)
h2("path-none", "RFC 9113 section 8.3.1", "no path", fields(None), BAD, twin=PLAIN)
h2("path-empty", "RFC 9113 section 8.3.1", "an empty path", fields(b""), BAD, twin=PLAIN)
h2("path-absolute", "RFC 9113 section 8.3.1", "an absolute form", fields(b"http://h.test/public/x"), BAD, twin=PLAIN)
h2("path-space", "RFC 9113 section 8.3.1; CVE-2021-39240", "a request line in the path", fields(b"/public/x HTTP/1.1\r\nX-User-Email: evil"), LOST, twin=PLAIN)
h2("path-fragment", "CVE-2021-32779", "a fragment", fields(b"/public/x#/../admin"), AMBIGUOUS, twin=PLAIN)
h2("path-dots", "RFC 3986 section 5.2.4", "dots", fields(b"/public/../admin/x"), AMBIGUOUS, twin=PLAIN)
h2("path-asterisk", "RFC 9113 section 8.3.1", "the asterisk form", fields(b"*", method=b"OPTIONS"), BAD, twin=fields(b"/public/x", method=b"OPTIONS"))
h2("method-space", "CVE-2021-33193; CVE-2021-39241", "a request line in the method", fields(b"/public/x", method=b"GET /admin/x HTTP/1.1\r\nX: "), LOST, twin=PLAIN)
h2("method-twice", "RFC 9113 section 8.3.1", "two methods", [*PLAIN, (b":method", b"POST")], BAD, twin=PLAIN)
h2("method-none", "RFC 9113 section 8.3.1", "no method", fields(b"/public/x", method=None), BAD, twin=PLAIN)
h2("method-connect", "RFC 9113 section 8.5", "CONNECT", fields(b"/public/x", method=b"CONNECT"), (405, ""), twin=PLAIN)
h2("scheme-url", "CVE-2021-39240", "an authority in the scheme", fields(b"/public/x", scheme=b"http://admin.test/?"), BAD, twin=PLAIN)
h2("scheme-twice", "RFC 9113 section 8.3.1", "two schemes", [*PLAIN, (b":scheme", b"https")], BAD, twin=PLAIN)
h2("authority-host", "RFC 9113 section 8.3.1; CVE-2021-39242", "another host beside the authority", fields(b"/hosted/x", (b"host", b"admin.test"), authority=b"public.test"), BAD, twin=fields(b"/hosted/x", authority=b"public.test"))
h2("authority-twice", "RFC 9113 section 8.3.1", "two authorities", [*PLAIN, (b":authority", b"admin.test")], BAD, twin=PLAIN)
h2("authority-none", "RFC 9113 section 8.3.1", "the host in a header alone", fields(b"/hosted/x", (b"host", b"admin.test"), authority=None), NONE, twin=fields(b"/hosted/x", (b"host", b"public.test"), authority=None))
h2("authority-user", "RFC 9113 section 8.3.1", "a user in the authority", fields(b"/hosted/x", authority=b"public.test@admin.test"), MISMATCH, twin=fields(b"/hosted/x", authority=b"public.test"))
h2("authority-crlf", "RFC 9113 section 8.2.1", "a line end in the authority", fields(b"/hosted/x", authority=b"public.test\r\nX-User-Email: evil"), LOST, twin=fields(b"/hosted/x", authority=b"public.test"))
h2("authority-path", "RFC 9113 section 8.3.1", "a path in the authority", fields(b"/hosted/x", authority=b"public.test/x"), BAD, twin=fields(b"/hosted/x", authority=b"public.test"))
h2("te-chunked", "RFC 9113 section 8.2.2", "transfer-encoding, which HTTP/2 has not", fields(b"/things", (b"transfer-encoding", b"chunked"), method=b"POST"), reached=(b"/things",), body=b"0\r\n\r\n" + SMUGGLED)
h2("cl-short", "RFC 9113 section 8.1.1; CVE-2021-21295", "a length that is smaller than the body", fields(b"/things", (b"content-length", b"1"), method=b"POST"), BAD, cut=True, body=b"x" + SMUGGLED, reached=(), twin=fields(b"/things", (b"content-length", b"%d" % (1 + len(SMUGGLED))), method=b"POST"))
h2("cl-long", "RFC 9113 section 8.1.1", "a length that is larger than the body", fields(b"/things", (b"content-length", b"999"), method=b"POST"), BAD, cut=True, body=b"x", reached=(), twin=fields(b"/things", (b"content-length", b"1"), method=b"POST"))
h2("cl-headers-only", "CVE-2021-21409", "a length where the headers end the stream", fields(b"/things", (b"content-length", b"10"), method=b"POST"), BAD, reached=(), twin=fields(b"/things", method=b"POST"))
h2("cl-twice", "RFC 9113 section 8.1.1", "two lengths", fields(b"/things", (b"content-length", b"1"), (b"content-length", b"2"), method=b"POST"), BAD, body=b"x", reached=(), twin=fields(b"/things", (b"content-length", b"1"), method=b"POST"))
h2("body-is-request", "RFC 9113 section 8.1", "a request in a body stays a body", fields(b"/things", method=b"POST"), reached=(b"/things",), body=SMUGGLED)
h2("upgrade", "RFC 9113 section 8.2.2", "an upgrade, which HTTP/2 has not", fields(b"/public/x", (b"connection", b"upgrade"), (b"upgrade", b"h2c")))
h2("token-two", "RFC 9110 section 11.6.2", "two tokens", fields(b"/me/x", (b"authorization", b"Bearer <alice>"), (b"authorization", b"Bearer <admin>")), BAD, twin=fields(b"/me/x", (b"authorization", b"Bearer <alice>")))
h2("token-comma", "RFC 9110 section 5.3", "two tokens in a list", fields(b"/me/x", (b"authorization", b"Bearer <alice>, Bearer <admin>")), TWICE, twin=fields(b"/me/x", (b"authorization", b"Bearer <alice>")))
h2("cookie-crumbs", "RFC 9113 section 8.2.3", "two sessions in crumbs", fields(b"/me/x", (b"cookie", b"session=<session>"), (b"cookie", b"session=<session-2>")), TWICE, twin=fields(b"/me/x", (b"cookie", b"a=b"), (b"cookie", b"session=<session>")))
h2("none", "RFC 9113 section 8.3.1", "no token", fields(b"/me/x"), NONE, twin=fields(b"/me/x", (b"authorization", b"Bearer <alice>")))


def grpc(id, source, what, sent, want=OK, **more):
    spoof(f"grpc-{id}", source, what, sent, want, over="grpc", body=more.pop("body", b"x"), **more)


def call(target, *headers):
    return fields(target, (b"content-type", b"application/grpc"), (b"te", b"trailers"), *headers, method=b"POST")


# A refused call is 200 with a grpc-status; our reason tells it from an allowed one.
grpc("identity", "gRPC over HTTP/2, Requests", "the header itself", call(b"/public/Get", (b"x-user-email", EVIL)), twin=call(b"/public/Get"))
grpc("identity-with-token", "gRPC over HTTP/2, Requests", "the header beside a token", call(b"/me/Get", (b"x-user-email", EVIL), (b"authorization", b"Bearer <alice>")))
grpc("identity-underscores", "RFC 3875 section 4.1.18", "a name as CGI reads it", call(b"/public/Get", (b"x_user_email", EVIL)))
grpc("identity-binary", "gRPC over HTTP/2, Custom-Metadata", "a binary header of the name is another one", call(b"/public/Get", (b"x-user-email-bin", b"ZXZpbA")))
grpc("none", "gRPC over HTTP/2, Requests", "no token", call(b"/me/Get"), (200, "token_missing"), reached=(), twin=call(b"/me/Get", (b"authorization", b"Bearer <alice>")))
grpc("dots", "RFC 3986 section 5.2.4", "dots in the method's path", call(b"/public/../admin/Get"), (200, "path_ambiguous"), reached=(), twin=call(b"/public/Get"))
grpc("denied", "gRPC over HTTP/2, Requests", "a denied path", call(b"/internal/Get"), (200, "denied_by_rule"), reached=(), twin=call(b"/public/Get"))
# HTTP/0.9 has one line, the preface of HTTP/2 none of ours.
FAR_TWINS = {"path-0.9", "framing-preface"}
