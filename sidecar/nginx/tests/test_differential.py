"""No request is decided as one path, host or header and delivered as another: thousands of raw requests to the nginx that
the agent configures, each either refused, or delivered as what the rule names that decided it.

Seeded: SEED=N repeats a run. MORE=N multiplies it."""

import os
import re
from itertools import product

import pytest

import h2
import rendered
import targets
from flavours import FLAVOURS, status_of_ours
from h2 import H2Client
from harness import wait_until
from rawhttp import RawClient
from rendered import Decided
from resources import policy

MORE = int(os.environ.get("MORE", "1"))
ANYONE = [{"anyone": True}]


@pytest.fixture(params=FLAVOURS)
def begin(request, root, folder, agent, application):
    """nginx as rendered, with these policies in force."""
    started = []

    def make(*policies, **parts):
        revision = folder.write(*policies)
        nginx = rendered.start(root, folder, application.port, flavour=request.param, **parts)
        started.append(nginx)
        runs = agent.running if request.param == "Module" else nginx.agent.running
        wait_until(lambda: runs(revision), "the bundle is in force")
        return nginx

    yield make
    assert [problem for nginx in started for problem in nginx.stop()] == []


def decided_about(nginx, answer):
    """What was decided, and in the answer's status what that means with the module."""
    decided = Decided.of(answer)
    answer.status = status_of_ours(nginx.flavour, answer.status, decided.reason)
    return decided


# --- paths ---

DENIED = "secret"  # below it everything is denied, whatever else says allow


def paths_of_rules(rnd):
    """Decoded paths, as lists of segments: "/" is [""]."""
    depth_two = [list(pair) for pair in product(targets.SEGMENTS, repeat=2)]
    paths = [[""]] + [[s] for s in targets.SEGMENTS] + [[s, ""] for s in targets.SEGMENTS[:10]] + rnd.sample(depth_two, 80)
    return [path for path in paths if path[0] != DENIED]


def path_policies(paths):
    """One rule for each path, in policies of 64, then one for all the rest."""
    rules = [
        {"name": f"p{i}", "action": "Allow", "from": ANYONE, "to": [{"paths": ["/" + "/".join(path)]}]} for i, path in enumerate(paths)
    ]
    deny = {"name": "denied", "action": "Deny", "to": [{"paths": [f"/{DENIED}/**"]}]}
    rest = {"name": "rest", "action": "Allow", "from": ANYONE, "to": [{"paths": ["/**"]}]}
    out = [policy(f"paths-{i:02}", rules[i : i + 64]) for i in range(0, len(rules), 64)]
    return [*out, policy("deny", [deny]), policy("zz-rest", [rest])]


def named_by(path, rules):
    """The rule that decides about a decoded path."""
    if path[0] == DENIED:
        return "denied"
    return rules.get(tuple(path), "rest")


def request_line(rnd, raw):
    """The request line in one of its forms, and whether nginx reads it as HTTP/0.9."""
    kind = rnd.random()
    if kind < 0.92:
        return b"GET %b HTTP/1.1\r\n" % raw, False
    if kind < 0.94:
        return b"GET  %b  HTTP/1.1\r\n" % raw, False
    if kind < 0.96:
        return b"GET %b HTTP/1.1 \r\n" % raw, False
    if kind < 0.98:
        return b"GET %b HTTP/1.0\r\n" % raw, False
    return b"GET %b\r\n" % raw, True


def host_for(raw):
    """A Host that agrees with an absolute-form target of AUTHORITIES, so that it is the path that counts."""
    if raw[:1] == b"/" or b"://" not in raw:
        return b"h.test"
    return raw.split(b"://", 1)[1].split(b"/")[0].split(b"?")[0] or b"h.test"


def check_path(raw, answer, decided, got, rules, allow=""):
    """What must hold of one request. got: what the upstream received, or None."""
    say = f"target {raw!r}: {answer.status}, {decided}, upstream got {got and got.target!r}"
    if got is None:
        assert answer.status in (400, 403, 405, 414), say
        if decided.rule == "denied":
            readings = [r for r in targets.readings(targets.path_of(raw)) if r[0] == DENIED.encode()]
            assert readings, say
        elif answer.status != 414:
            assert decided.reason in ("path_ambiguous", "host_mismatch", ""), say
        return
    assert answer.status == 200, say
    delivered = got.target.split(b"?")[0]
    # Everybody reads the same path, and it is the one of the rule.
    seen = targets.readings(delivered)
    assert len(seen) == 1, f"{say}: read as {seen}"
    path = [segment.decode() for segment in next(iter(seen))]
    assert path[0] != DENIED, say
    assert decided.decision == "allow" and decided.rule == named_by(path, rules), say
    # And it is what the client sent, byte for byte.
    assert delivered == targets.path_of(raw), say


def check_plain(raw, answer, decided, rules, line):
    """Nothing plain is refused, nothing else is let through: held against a second wording of the rule."""
    path = targets.plain_path(raw)
    say = f"{line!r}: {answer.status}, {decided}, but {path}"
    if path is None or len(raw) > 32000:
        assert answer.status in (400, 414), say
    elif decided.reason != "host_mismatch":
        assert (answer.status, decided.rule) == (403 if path[0] == DENIED else 200, named_by(path, rules)), say


def check_old(raw, got):
    """An answer in HTTP/0.9 has no headers that could tell the rule, and its request ends with its only line."""
    path = targets.plain_path(raw.split(b"\n")[0].rstrip(b"\r"))
    if got is not None:
        assert path is not None and path[0] != DENIED, raw
        assert [segment.encode() for segment in path] == targets.split_then_decode(targets.path_of(got.target)), raw


def test_a_path_is_delivered_as_it_was_decided(rnd, begin, application):
    paths = paths_of_rules(rnd)
    rules = {tuple(path): f"p{i}" for i, path in enumerate(paths)}
    nginx = begin(*path_policies(paths))
    client = RawClient(nginx.port)
    known = [*paths, ["x"], ["x", "y", "z"]] + 10 * [[DENIED], [DENIED, "a"]]
    allowed = denied = refused = old = 0  # old: HTTP/0.9
    for _ in range(6000 * MORE):
        raw = targets.target(rnd, known)
        line, plain_old = request_line(rnd, raw)
        raw = raw.strip(b" ")  # nginx takes any number of spaces between the parts of the line
        before = len(application.requests)
        answer = client.ask(line if plain_old else line + b"Host: %b\r\n\r\n" % host_for(raw))
        reached = application.requests[before:]
        assert len(reached) <= 1, raw
        got = reached[0] if reached else None
        if plain_old or answer.status == 0:
            old += 1
            check_old(raw, got)
            continue
        decided = decided_about(nginx, answer)
        check_path(raw, answer, decided, got, rules)
        check_plain(raw, answer, decided, rules, line)
        allowed += got is not None
        denied += decided.rule == "denied"
        refused += answer.status in (400, 414)
    client.close()
    print(f"allowed {allowed}, denied {denied}, refused {refused}, HTTP/0.9 {old}")
    assert min(allowed, denied, refused, old) > 20 * MORE


def test_a_path_over_http_2_is_delivered_as_it_was_decided(rnd, root, begin, application):
    paths = paths_of_rules(rnd)
    rules = {tuple(path): f"p{i}" for i, path in enumerate(paths)}
    nginx = begin(*path_policies(paths))
    client, log = H2Client(nginx.ports["h2"]), rendered.DecidedLog(root)
    allowed = refused = lost = 0
    for _ in range(1500 * MORE):
        raw = targets.target(rnd, [*paths, ["x"], [DENIED], [DENIED, "a"]])[:30000]
        before = len(application.requests)
        log.forget()
        answer = client.ask(h2.fields(raw))
        reached = application.requests[before:]
        if answer.status is None:  # a stream or a connection that nginx gave up
            lost += 1
            assert reached == [], f"{raw!r}: {answer}"
            continue
        status, decided = log.of(*client.last)
        answer.status = status_of_ours(nginx.flavour, status, decided.reason)
        check_path(raw, answer, decided, reached[0] if reached else None, rules)
        if raw[:1] == b"/":
            check_plain(raw, answer, decided, rules, raw)
        else:
            assert reached == [], raw
        allowed += bool(reached)
        refused += answer.status == 400
    client.close()
    print(f"allowed {allowed}, refused {refused}, lost {lost}")
    assert min(allowed, refused) > 20 * MORE


def test_what_path_allow_allows_is_data_in_a_segment(rnd, begin, application):
    """A slash, a semicolon and an empty segment may be data: then it is the reader that splits first whom we agree with, and
    no reader finds a dot segment."""
    paths = [path for path in paths_of_rules(rnd) if path[0] != DENIED]
    rules = {tuple(path): f"p{i}" for i, path in enumerate(paths)}
    nginx = begin(*path_policies(paths), has_path_allow=True, path_allow="encoded-slash,semicolon,double-slash")
    client = RawClient(nginx.port)
    allowed = more = 0
    for _ in range(2000 * MORE):
        raw = targets.target(rnd, [*paths, ["x"], [DENIED, "a"]]).strip(b" ")
        if rnd.random() < 0.5:
            at = rnd.randrange(len(raw) + 1)
            raw = raw[:at] + rnd.choice((b"%2F", b"%2f", b";", b";x=1", b"/", b"//", b"%2F..", b";/..;/", b"%2f%2e")) + raw[at:]
        before = len(application.requests)
        answer = client.ask(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (raw, host_for(raw)))
        reached = application.requests[before:]
        if answer.status == 0 or not reached:
            continue
        decided, (got,) = decided_about(nginx, answer), reached
        delivered = got.target.split(b"?")[0]
        say = f"target {raw!r}: {answer.status}, {decided}, upstream got {got.target!r}"
        path = [segment.decode() for segment in targets.split_then_decode(delivered)]
        assert path[0] != DENIED and decided.rule == named_by(path, rules), say
        assert delivered == targets.path_of(raw), say
        for reader in targets.READERS:
            assert not {b".", b".."} & set(reader(delivered)), f"{say}: {reader.__name__}"
        allowed += 1
        more += targets.plain_path(raw) is None
    client.close()
    print(f"allowed {allowed}, of them {more} only with --path-allow")
    assert min(allowed, more) > 20 * MORE


# --- hosts ---

HOSTS = ["a.test", "b.test", "x.wild.test", "y.x.wild.test", "[::1]", "10.0.0.1"]
HOST_SPELLINGS = [b"%b", b"%b:80", b"%b:8443", b"%b.", b"%b.:80", b"%b:", b" %b", b"%b ", b"%b\t", b"\t%b", b"%b:99999", b"%b:x", b"%b:80:90"]
HOST_SPELLINGS += [b"%b, b.test", b"%b b.test", b"%b@b.test", b"b.test@%b", b"%b/b.test", b"%b#b.test", b"%b?b.test", b"%b\\b.test", b"http://%b"]
HOST_SPELLINGS += [b".%b", b"%b..", b"%b%%00", b"%b%%2eb.test", b"%b\x00", b"%b\x0b", b"%b\xc3\xbc", b"%b;b.test", b"%b|b.test", b"%b*", b"*.%b", b"[%b]"]
HOST_NAMES = [b"Host", b"host", b"HOST", b"Host ", b"X-Host", b"H\xc3\xb6st", b"Host\x00", b"Ho_st"]


def host_policies():
    rules = [{"name": f"h{i}", "action": "Allow", "from": ANYONE, "to": [{"hosts": [host]}]} for i, host in enumerate(HOSTS[:2] + HOSTS[4:])]
    wild = {"name": "wild", "action": "Allow", "from": ANYONE, "to": [{"hosts": ["*.wild.test"]}]}
    rest = {"name": "rest", "action": "Allow", "from": ANYONE}
    return [policy("hosts", [*rules, wild]), policy("zz-rest", [rest])]


def host_rule(host):
    """The rule for a Host as the application gets it, read naively: no port, no case, no dot at the end."""
    name = re.sub(rb":[0-9]*\Z", b"", host.lower()).rstrip(b".").decode("latin-1")
    exact = HOSTS[:2] + HOSTS[4:]
    if name in exact:
        return f"h{exact.index(name)}"
    return "wild" if name.endswith(".wild.test") else "rest"


def host_line(rnd):
    spelling = rnd.choice(HOST_SPELLINGS) if rnd.random() < 0.6 else b"%b"
    host = rnd.choice(HOSTS).encode()
    host = b"".join(bytes([c]).upper() if rnd.random() < 0.2 else bytes([c]) for c in host)
    name = rnd.choice(HOST_NAMES) if rnd.random() < 0.15 else b"Host"
    end = rnd.choice((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r\n .b.test\r\n", b"\r\r\n")) if rnd.random() < 0.1 else b"\r\n"
    return name + b": " + spelling % host + end


def test_a_host_is_delivered_as_it_was_decided(rnd, begin, application):
    nginx = begin(*host_policies())
    client = RawClient(nginx.port)
    seen = {}
    for i in range(2500 * MORE):
        raw = b"/%d" % i
        if rnd.random() < 0.2:
            raw = rnd.choice((b"http://", b"https://", b"HTTP://")) + rnd.choice(HOSTS).encode() + rnd.choice((b"", b":80", b":443", b":8443")) + raw
        lines = b"".join(host_line(rnd) for _ in range(rnd.choice((0, 1, 1, 1, 1, 1, 1, 1, 2))))
        sent = b"GET %b HTTP/1.%d\r\n%bX-Other: 1\r\n\r\n" % (raw, rnd.choice((1, 1, 1, 0)), lines)
        before = len(application.requests)
        answer = client.ask(sent)
        reached = application.requests[before:]
        decided = decided_about(nginx, answer)
        say = f"{sent!r}: {answer.status}, {decided}, upstream got {[got.head for got in reached]}"
        seen[decided.rule or decided.reason] = seen.get(decided.rule or decided.reason, 0) + 1
        if not reached:
            assert answer.status == 400 and decided.reason in ("host_mismatch", ""), say
            continue
        (got,) = reached
        hosts = got.all(b"host")
        if hosts:
            assert len(hosts) == 1 and decided.rule == host_rule(hosts[0]), say
        else:  # HTTP/1.0 without a host
            assert decided.rule == "rest" and b"HTTP/1.0" in sent, say
        assert got.target == b"/%d" % i, say
    client.close()
    print(seen)
    assert set(seen) >= {"h0", "h1", "h2", "h3", "wild", "rest", "host_mismatch", ""}


# --- headers that rules look at ---

TENANT_NAMES = [b"X-Tenant", b"x-tenant", b"X-TENANT", b"X_Tenant", b"X-Tenant ", b"X-Tenant\t", b"X.Tenant", b"X-Tenant\x00", b" X-Tenant", b"XTenant"]
TENANT_VALUES = [b"blue", b"red", b"BLUE", b" blue", b"blue ", b"\tblue", b"blue\t", b" \t blue \t ", b"blue, red", b"blue,blue", b"", b"blue;red"]
TENANT_VALUES += [b"blue\x00", b"\x00", b"blue\r\n red", b"blue\r\n\tred", b"blue\rX-Tenant: red", b'"blue"', b"bl%75e", b"blue\x0b", b"\xffblue", b"blue#", b"\x0cblue"]


def tenant_policies():
    rules = [
        {"name": tenant, "action": "Allow", "from": ANYONE, "when": [{"header": "X-Tenant", "values": [tenant]}]} for tenant in ("blue", "red")
    ]
    return [policy("tenants", rules), policy("zz-rest", [{"name": "rest", "action": "Allow", "from": ANYONE}])]


def test_a_header_is_delivered_as_it_was_decided(rnd, begin, application):
    nginx = begin(*tenant_policies())
    client = RawClient(nginx.port)
    seen = {}
    for _ in range(2500 * MORE):
        lines = b""
        for _ in range(rnd.choice((0, 1, 1, 1, 1, 2, 3))):
            name = rnd.choice(TENANT_NAMES) if rnd.random() < 0.4 else b"X-Tenant"
            lines += name + rnd.choice((b":", b": ", b":  ")) + rnd.choice(TENANT_VALUES) + rnd.choice((b"\r\n", b"\r\n", b"\r\n", b"\n"))
        sent = b"GET /x HTTP/1.1\r\nHost: a\r\n%b\r\n" % lines
        before = len(application.requests)
        answer = client.ask(sent)
        reached = application.requests[before:]
        decided = decided_about(nginx, answer)
        say = f"{sent!r}: {answer.status}, {decided}, upstream got {[got.head for got in reached]}"
        seen[decided.rule] = seen.get(decided.rule, 0) + 1
        if not reached:
            assert answer.status == 400 and decided.decision == "", say
            continue
        (got,) = reached
        values = got.folded(b"x-tenant")
        assert decided.rule == {(b"blue",): "blue", (b"red",): "red"}.get(tuple(values), "rest"), say
    client.close()
    print(seen)
    assert min(seen[rule] for rule in ("blue", "red", "rest", "")) > 20 * MORE
