"""Spoofs of who calls: see spoofs.py."""

from spoof import ADMIN, ALICE, BAD, EVIL, NONE, SHAPE, SMUGGLED, TWICE, bearer, in_chunks, me, req, spoof, with_body

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
spoof("cookie-tab-first", "RFC 6265 section 5.2", "a tab before the first name", me(b"Cookie: \tsession=<session>; a=b"))
spoof("cookie-tab-after", "RFC 6265 section 5.2", "a tab between name and equals sign", me(b"Cookie: session\t=<session>"))

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
