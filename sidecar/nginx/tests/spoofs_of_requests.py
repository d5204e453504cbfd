"""Spoofs of what is asked, of whom, and of where a request ends: see spoofs.py."""

from h2 import fields
from spoof import ADMIN, ALICE, AMBIGUOUS, BAD, EVIL, MISMATCH, NONE, OK, SMUGGLED, TWICE, in_chunks, me, req, spoof, with_body

# --- another path ---

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
