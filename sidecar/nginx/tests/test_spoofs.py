"""No spoof of spoofs.py passes: the application sees no identity that a client made and no request that was not decided, and
each answer and reason is the one written there. Twins of spoofs are accepted."""

import contextlib
import difflib
import re
import shutil
import tempfile
from pathlib import Path

import pytest

import rendered
from flavours import FLAVOURS, answer_of
from forged import APP, APP_ISSUER, IDENTITY, OKTA, SESSION, SESSION_ISSUER, tokens
from h2 import H2Client
from harness import AgentSocket, BundleFolder, Nginx, free_port, wait_until
from rawhttp import ANY_NAME, RawClient, RawUpstream
from rendered import Decided, DecidedLog
from resources import caller, policy, provider
from spoofs import EVIL, FAR_TWINS, SPOOFS

HEADERS = ["Cookie", "X-App-Id", "X-App-Token", "X-User", "X-User-Email", "X-User-Groups"]
IDENTITY_HEADERS = [name.lower() for name in HEADERS[1:]]
EVERY_NAME = "underscores_in_headers on; ignore_invalid_headers off;"
USER = {"path": ["sub"], "header": "X-User"}


def resources():
    okta = {"claims": [USER, {"path": ["email"], "header": "X-User-Email"}, {"path": ["groups"], "header": "X-User-Groups"}]}
    session = {"issuer": SESSION_ISSUER, "tokenSources": [{"cookie": "session"}], "forward": {"claims": [USER], "token": "Remove"}}
    app = {"issuer": APP_ISSUER, "tokenSources": [{"header": "X-App-Token"}]}
    app["forward"] = {"claims": [{"path": ["sub"], "header": "X-App-Id"}], "token": "Remove"}
    anyone, any_caller = [{"anyone": True}], [caller("okta"), caller("session"), caller("app")]
    admin = [caller("okta", scopes={"all": ["admin"]})]

    def rule(name, who, when=None, action="Allow", **to):
        out = {"name": name, "action": action, "to": [to]} if to else {"name": name, "action": action}
        return {**out, **({"from": who} if who else {}), **({"when": when} if when else {})}

    rules = [
        rule("internal", None, action="Deny", paths=["/internal/**"]),
        rule("blocked", None, [{"header": "X-Tenant", "values": ["blocked"]}], "Deny"),
        rule("public", anyone, paths=["/public/**"]),
        rule("me", any_caller, paths=["/me/**"]),
        rule("own", [caller("okta")], [{"pathVariable": "id", "equalsClaim": ["sub"]}], paths=["/users/{id}/*"]),
        rule("admin", admin, paths=["/admin/**"]),
        rule("things", anyone, methods=["POST"], paths=["/things"]),
        rule("tenant", anyone, [{"header": "X-Tenant", "values": ["blue"]}], paths=["/tenant/**"]),
        rule("by-identity", anyone, [{"header": "X-User-Email", "values": [EVIL.decode()]}], paths=["/by-identity/**"]),
        rule("office", anyone, [{"sourceIPs": ["10.0.0.0/8"]}], paths=["/office/**"]),
        rule("hosted", anyone, paths=["/hosted/**"], hosts=["public.test"]),
        rule("hosted-admin", admin, paths=["/hosted/**"], hosts=["admin.test"]),
    ]
    return [provider("okta", OKTA, forward=okta), provider("session", SESSION, **session), provider("app", APP, **app), policy("spoofs", rules)]


def collector(root, application):
    """A plain nginx that speaks gRPC's HTTP/2 and hands on what it gets as HTTP/1.1, so that bytes can be looked at."""
    port, folder = free_port(), root / "collector"
    folder.mkdir()
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    text = f"""worker_processes 1; pid {folder}/nginx.pid; events {{}}
      http {{ {paths} access_log off; underscores_in_headers on; ignore_invalid_headers off;
        server {{ listen 127.0.0.1:{port} http2; location / {{ proxy_pass http://127.0.0.1:{application}; proxy_http_version 1.1; }} }} }}"""
    return Nginx(folder, text, port).start()


def filled(text, tokens):
    """The text with its tokens put in."""
    return re.sub(rb"<([\w-]+)>", lambda m: tokens.get(m[1].decode(), m[0]), text)


class World:
    def __init__(self, root, strict=True, flavour="Module"):
        self.strict, self.flavour = strict, flavour
        self.application = RawUpstream(*(() if strict else (ANY_NAME,)))
        self.reports = AgentSocket(root / "agent.sock")
        self.collector = collector(root, self.application.port)
        folder = BundleFolder(root)
        identity = rendered.auth_conf(*HEADERS, flavour=flavour)
        revision = folder.write(*resources(), auth_conf=identity)
        self.nginx = rendered.start(root, folder, self.application.port, identity=identity, grpc=self.collector.port, server="" if strict else EVERY_NAME, flavour=flavour)
        agent = self.reports if flavour == "Module" else self.nginx.agent
        wait_until(lambda: agent.running(revision), "the bundle is in force")
        self.log = DecidedLog(root)
        self.tokens = {name: token.encode() for name, token in tokens().items()}
        self.http1 = RawClient(self.nginx.port)
        self.http2 = {kind: H2Client(self.nginx.ports[kind]) for kind in ("h2", "grpc")}
        self.accounted = 0

    def filled(self, text):
        return filled(text, self.tokens)

    def ask(self, spoof, sent):
        """[(status, Decided)] of what is sent, and the requests that reached the application."""
        before = len(self.application.requests)
        if spoof.over == "http1":
            pieces = [self.filled(piece) for piece in (sent if isinstance(sent, tuple) else (sent,))]
            method = "HEAD" if pieces[0].startswith(b"HEAD ") else "GET"
            quiet = 5 if b"Connection: close" in b"".join(pieces) else 0.2
            answers = [(a.status, Decided.of(a)) for a in self.http1.ask_all(pieces, quiet, method)]
        else:
            client = self.http2[spoof.over]
            client.close()  # nginx gives up a connection after some of them
            self.log.forget()
            answer = client.ask([(self.filled(name), self.filled(value)) for name, value in sent], spoof.body)
            answers = [(None, Decided(";;;;;")) if answer.status is None else (answer.status, self.log.of(*client.last)[1])]
        reached = self.application.requests[before:]
        self.accounted += len(reached)
        return answers, reached

    def close(self):
        self.http1.close()
        problems = self.nginx.stop() + self.collector.stop() + self.application.faults
        if self.accounted != len(self.application.requests):
            problems.append("a request reached the application after its turn")
        problems += [f"{line} was cut" for line in self.application.cut if line != b"POST /things HTTP/1.1"]
        self.application.close()
        self.reports.close()
        assert problems == []


@contextlib.contextmanager
def made_world(strict, flavour="Module"):
    root = Path(tempfile.mkdtemp(prefix="mesh-auth-"))
    root.chmod(0o755)
    made = World(root, strict, flavour)
    yield made
    made.close()
    shutil.rmtree(root)


@pytest.fixture(scope="module", params=FLAVOURS)
def world(request):
    """nginx as the agent configures it."""
    with made_world(strict=True, flavour=request.param) as made:
        yield made


@pytest.fixture(scope="module")
def open_world():
    """The same, but that nginx lets every name of a header through."""
    with made_world(strict=False) as made:
        yield made


def text_of(sent):
    if isinstance(sent, list):
        return b" ".join(name + b": " + value for name, value in sent)
    return b"".join(sent) if isinstance(sent, tuple) else sent


def target_line(sent):
    return b"GET %b HTTP/2.0" % dict(sent)[b":path"] if isinstance(sent, list) else text_of(sent).split(b"\r\n")[0]


def target_of(sent):
    return target_line(sent).split(b" ")[1]


def check_identity(got, sent):
    """The application sees the identity of the token that was sent, under one name each, and nothing else of that kind."""
    named = re.findall(rb"<([\w-]+)>", text_of(sent))
    expected = IDENTITY[named[0].decode()] if named else {}
    seen = {}
    for name, value in got.headers:
        folded = re.sub(r"[^a-z0-9]", "-", name.decode("latin-1").lower())
        if folded in IDENTITY_HEADERS:
            seen.setdefault(folded, []).append(value.decode("latin-1"))
    assert seen == {name: [value] for name, value in expected.items()}, got.head
    cookies = b";".join(got.all(b"cookie")).split(b";")  # RFC 6265 section 5.2, as generous as servers are
    assert b"session" not in [pair.split(b"=")[0].strip() for pair in cookies], f"token: Remove, but {got.head!r}"


def check(world, spoof, sent, wanted, targets):
    answers, reached = world.ask(spoof, sent)
    found = [(status, decided.reason) for status, decided in answers]
    wanted = [answer_of(world.flavour, *one, grpc=spoof.over == "grpc") for one in wanted]
    assert found == wanted, (spoof.what, answers, [got.head for got in reached])
    assert [got.target for got in reached] == [world.filled(target) for target in targets], spoof.what
    if not spoof.cut and (0, "") not in wanted:
        assert sum(decided.decision == "allow" for _, decided in answers) == len(reached)
    for got in reached:
        check_identity(got, sent)
        assert len(got.all(b"host")) == (0 if b"HTTP/" not in target_line(sent) else 1), got.head
        for name in spoof.absent:
            assert got.folded(name) == [], got.head


def delivered(spoof):
    """The targets that reach the application."""
    if spoof.reached is not None:
        return spoof.reached
    return (target_of(spoof.sent),) if spoof.wants() == [(200, "")] else ()


def check_spoof(world, spoof):
    check(world, spoof, spoof.sent, spoof.wants(), delivered(spoof))
    if spoof.twin is not None:
        # The absolute form is delivered as its path.
        targets = spoof.twin_reached or (re.sub(rb"^http://[^/]*", b"", target_of(spoof.twin)),)
        check(world, spoof, spoof.twin, spoof.twin_want or [(200, "")] * len(targets), targets)


NAMES = [spoof for spoof in SPOOFS if spoof.id.startswith(("identity-", "hop-"))]  # about names of headers


@pytest.mark.parametrize("spoof", SPOOFS, ids=lambda spoof: spoof.id)
def test_no_spoof_passes(world, spoof):
    check_spoof(world, spoof)


@pytest.mark.parametrize("spoof", NAMES, ids=lambda spoof: spoof.id)
def test_no_spoof_passes_where_every_name_of_a_header_is_let_through(open_world, spoof):
    check_spoof(open_world, spoof)


def test_each_spoof_is_one_and_says_where_it_is_from():
    assert len({spoof.id for spoof in SPOOFS}) == len(SPOOFS) >= 200
    assert all(re.match(r"RFC \d|CVE-\d{4}-\d{4,}|Unicode|nginx|gRPC|Fetch", spoof.source) and spoof.what for spoof in SPOOFS)


def lines_of(sent):
    return sent if isinstance(sent, list) else text_of(sent).rstrip(b"\r\n").split(b"\r\n")


def far(spoof):
    """In how many lines, or fields, the twin differs."""
    changes = difflib.SequenceMatcher(None, lines_of(spoof.sent), lines_of(spoof.twin), autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for how, i1, i2, j1, j2 in changes if how != "equal")


def test_each_refused_spoof_has_a_twin_that_is_close():
    assert [spoof.id for spoof in SPOOFS if spoof.twin is None and not delivered(spoof)] == []
    assert [spoof.id for spoof in SPOOFS if spoof.twin == spoof.sent] == []
    assert {spoof.id for spoof in SPOOFS if spoof.twin is not None and far(spoof) > 2} == FAR_TWINS
