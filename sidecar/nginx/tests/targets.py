"""Random request targets, and readers of targets that know nothing of ours: the decoders of the servers behind us, and
a second reading of the rule which targets are plain enough to be decided at all."""

import posixpath
import re
from urllib.parse import unquote_to_bytes, urlsplit

# Decoded segments, as rules name them. Patterns cannot hold % * { } ? # and \.
SEGMENTS = ["a", "b", "admin", "Admin", "secret", "a b", "ü", "日本", "a;b", "a:b", "a+b", "a.b", "...", "a..", "..a", ".a"]
SEGMENTS += ["~x", "x@y", "a=1&b", "$", "'q'", "(p)", "!", "a,b", "null", "api", "v1", "0", "é", "\u2025", "\uff0f", "\uff0e\uff0e"]
UNRESERVED = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@")

# What attackers put into paths: encodings of dots, slashes and ends of text, in every style that some server took.
PIECES = [b"/./", b"/../", b"//", b"/.;/", b"/..;/", b"/..;a=b/", b"/%2e/", b"/%2E%2e/", b"/.%2e/", b"/..%2f", b"/%2e%2e%2f"]
PIECES += [b"%2F", b"%2f", b"%5C", b"%5c", b"\\", b"/..\\", b"\\..\\", b";x=1", b";", b";/", b"/;/", b"%3B", b"%3b", b"/%3b/"]
PIECES += [b"%00", b"%", b"%z", b"%zz", b"%4", b"%2", b"%%32%65", b"%u002e", b"%u2215", b"\xff", b"%ff", b"%c0%ae", b"%c0%ae%c0%ae/"]
PIECES += [b"%c0%af", b"%e0%80%af", b"%ed%a0%80", b"%f4%90%80%80", b"%c3", b"\xc3", b"%252e", b"%252e%252e/", b"%25%32%65", b"%252f", b"%2500"]
PIECES += [b"#", b"#f", b"/#/../admin", b"%23", b"?", b"?q", b"?a=/../admin", b"?/../admin", b"?a#b", b"%3F", b"%3f", b"?\xff", b"?%00"]
PIECES += [b"\t", b" ", b"%20", b"%09", b"%0a", b"%0d%0a", b"%0D%0AX-Evil:1", b"\x7f", b"%7f", b"\x01", b"\x0b", b"\xe2\x80\xa5", b"\xef\xbc\x8f"]
PIECES += [b"%ef%bc%8f", b"%c2%a0", b"\xc2\x85", b"%c2%85", b"/", b"+", b"*", b"{id}", b"~", b"|", b"^", b'"', b"<", b">", b"`", b"[", b"]"]
PIECES += [b"admin", b"/admin", b"/secret", b"%61dmin", b"/%73ecret/", b"/ADMIN", b"/..", b"/.", b"/%2e", b".", b"..", b"...", b"/..%00/", b"/..%0d/"]
PIECES += [b"/.%00", b"/..%5cadmin", b"/%2e%2e;/", b"/x/%2e%2e/admin", b"%2e", b"/\x00", b"\x00", b"/..%09/", b"/. ./", b"/.\t./", b"@", b":80"]


def encoded(random, path):
    """A spelling of the path (segments in a list) that means the same to everybody."""
    style = random.choice(("plain", "plain", "some", "all"))
    out = b""
    for segment in path:
        out += b"/"
        for byte in segment.encode():
            must = byte not in UNRESERVED and (byte < 0x80 or random.random() < 0.5)
            chosen = style == "all" or (style == "some" and random.random() < 0.3)
            form = random.choice((b"%%%02x", b"%%%02X"))
            out += form % byte if must or chosen else bytes([byte])
    return out


def damaged(random, raw):
    """The target with something of PIECES put in, or a byte changed."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        at = random.randrange(len(raw) + 1)
        kind = random.random()
        if kind < 0.75:
            slashes = [i for i, byte in enumerate(raw) if byte == 0x2F] + [len(raw)]
            at = random.choice(slashes) if random.random() < 0.6 else at
            raw = raw[:at] + random.choice(PIECES) + raw[at:]
        elif kind < 0.85 and raw:
            at = min(at, len(raw) - 1)
            raw = raw[:at] + bytes([random.randrange(256)]) + raw[at + 1 :]
        elif kind < 0.95 and raw:
            at = min(at, len(raw) - 1)
            raw = raw[:at] + b"%%%02x" % raw[at] + raw[at + 1 :]
        else:
            raw = raw[:at] + raw[at + 1 :]
    return raw


AUTHORITIES = [b"h.test", b"H.test", b"h.test:80", b"h.test.", b"other.test", b"", b"u@h.test", b"h.test:x", b"[::1]", b"h.test:8080"]
SCHEMES = [b"http://", b"HTTP://", b"https://", b"http:/", b"http:", b"ftp://", b"//", b"///", b"http:///", b"ws://", b"javascript:"]


def target(random, paths):
    """A request target near one of the paths (lists of decoded segments)."""
    raw = encoded(random, random.choice(paths))
    if random.random() < 0.1:
        raw += random.choice((b"?", b"?a=b", b"?a=%2e%2e%2f", b"?/../secret", b"?x=1?y", b"?a;b"))
    if random.random() < 0.6:
        raw = damaged(random, raw)
    kind = random.random()
    if kind < 0.08:
        raw = random.choice(SCHEMES[:3]) + random.choice(AUTHORITIES) + raw
    elif kind < 0.12:
        raw = random.choice(SCHEMES) + random.choice(AUTHORITIES) + raw
    elif kind < 0.14:
        raw = random.choice((b"*", b"", b"h.test:80", b"a/b", b"http://h.test", b"http://h.test?a", b"/" + b"a" * 40000, b"/" + b"a/" * 9000))
    return raw


# --- readers ---


def split_then_decode(raw):
    """Most routers: split at slashes, decode each segment."""
    return [unquote_to_bytes(part) for part in raw.split(b"/")[1:]]


def decode_then_split(raw):
    return unquote_to_bytes(raw).split(b"/")[1:]


def without_parameters(raw):
    """Servlet containers: what follows a semicolon in a segment is no path."""
    return [unquote_to_bytes(part.split(b";")[0]) for part in raw.split(b"/")[1:]]


def normalized(raw):
    """Decode, then resolve dots and double slashes, as file servers do."""
    path = unquote_to_bytes(raw)
    return (posixpath.normpath(path).replace(b"//", b"/") + (b"/" if path.endswith(b"/") and path != b"/" else b"")).split(b"/")[1:]


def dots_first(raw):
    """RFC 3986 section 5.2.4 on the raw text, then decode."""
    out = []
    parts = raw.split(b"/")[1:]
    for i, part in enumerate(parts):
        if part in (b".", b".."):
            if part == b".." and out:
                out.pop()
            if i == len(parts) - 1:
                out.append(b"")
        else:
            out.append(part)
    return [unquote_to_bytes(part) for part in out]


def browser(raw):
    """WHATWG URL: backslashes are slashes, tabs and line ends vanish, %2e is a dot."""
    text = re.sub(rb"[\t\r\n]", b"", raw).replace(b"\\", b"/")
    text = re.sub(rb"%2e", b".", text, flags=re.I)
    return dots_first(text)


def c_string(raw):
    """What ends at the first NUL."""
    return split_then_decode(unquote_to_bytes(raw).split(b"\0")[0] if b"%00" in raw else raw)


def python_url(raw):
    return split_then_decode(urlsplit("http://h" + raw.decode("latin-1")).path.encode("latin-1"))


def fragment_cut(raw):
    return split_then_decode(raw.split(b"#")[0])


def windows(raw):
    return re.split(rb"[/\\]", unquote_to_bytes(raw))[1:]


READERS = [split_then_decode, decode_then_split, without_parameters, normalized, dots_first, browser, c_string, python_url]
READERS += [fragment_cut, windows]


def path_of(raw):
    """The raw path of an origin-form or absolute-form target, without its query."""
    matched = re.match(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", raw)
    path = (raw[matched.end() :] if matched else raw).split(b"?")[0]
    return path or b"/"


def readings(raw_path):
    """Every way in which somebody reads the path."""
    return {tuple(reader(raw_path)) for reader in READERS}


AMBIGUOUS = re.compile(
    rb"[\x00-\x20\x7f\\#?;]"  # ends it, or is no character of a path, or starts parameters
    rb"|%(?![0-9A-Fa-f]{2})"
    rb"|%(?:[01][0-9A-Fa-f]|7[Ff]|2[3Ff]|3[Ff]|5[Cc])"  # controls, # / ? and backslash
    rb"|//"
    rb"|/(?:\.|%2[Ee]){1,2}(?:/|%3[Bb]|\Z)"
)


LABEL = rb"[A-Za-z0-9-]{1,63}"
ABSOLUTE = re.compile(rb"https?://(?:%b(?:\.%b)*\.?|\[::1\])(?::[0-9]{0,4})?(?=[/?]|\Z)" % (LABEL, LABEL), re.I)


def plain_path(raw):
    """Decoded segments of a target's path, or None where it is not plain: a second wording of what core/policy says."""
    if re.search(rb"[\x00-\x20\x7f#]", raw):
        return None
    if raw[:1] != b"/" and not ABSOLUTE.match(raw):
        return None
    path = path_of(raw)
    if path[:1] != b"/" or AMBIGUOUS.search(path):
        return None
    try:
        segments = [unquote_to_bytes(part).decode() for part in path.split(b"/")[1:]]
    except UnicodeDecodeError:
        return None
    return segments
