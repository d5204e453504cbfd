"""The audit line that the agent's own configuration writes: which requests have one, its fields, their values, and what never
stands in it."""

import json
import re
import socket
import time
from datetime import datetime

import pytest

import rendered
from flavours import FLAVOURS, IN_AUTH_REQUEST
from harness import REPOSITORY, WORKLOAD, Nginx, wait_until
from resources import PUBLIC, READ, Key, caller, policy, provider

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
CALLER = ("provider", "issuer", "subject", "client", "scopes", "tokenId")
FIELDS = ["ts", "msg", "object", "decision", "status", "reason", "policy", "rule", "auditDecision", "auditRule", *CALLER, "method", "path", "host", "peer", "revision", "traceId", "decisionMicroseconds", "seconds"]
FORBIDDEN = {"name": "forbidden", "action": "Deny", "from": [caller()], "to": [{"paths": ["/orders/7"]}]}
OPEN = {"name": "open", "action": "Allow", "from": [caller()], "to": [{"paths": ["/later/**"]}]}
ALICE = {"provider": "shop/okta", "issuer": "https://idp.test", "subject": "alice", "client": "web", "scopes": "orders:read", "tokenId": "t-1"}
NOBODY = dict.fromkeys(CALLER, "")


class Audited:
    """nginx as the agent configures it, and the lines that it writes."""

    def __init__(self, root, folder, key, application, flavour, agent, sampled):
        rules = [READ, PUBLIC]
        resources = [provider("okta", key), policy(rules=rules), policy("trial", [FORBIDDEN, OPEN], mode="Audit")]
        self.flavour = flavour
        self.revision = folder.write(*resources, auth_conf="")
        self.nginx = rendered.start(root, folder, application.port, flavour=flavour, shipped=True, audit_allowed=sampled)
        reports = agent if flavour == "Module" else self.nginx.agent
        wait_until(lambda: reports.running(self.revision), "the bundle is in force")
        self.sent = []  # every token, which no line may hold

    def ask(self, target, token=None, headers=(), **more):
        """The answer's status, and the lines of the request (one at most: its trace is its own)."""
        self.sent += [token] if token else []
        return self.nginx.request(target, token, headers=[("traceparent", TRACEPARENT), *headers], **more).status

    def lines(self, count):
        return wait_until(lambda: len(lines := self.nginx.access_lines()) >= count and lines, f"{count} lines in the audit log")

    def line(self, *args, **more):
        """The line that this request adds."""
        count = len(self.nginx.access_lines())
        status = self.ask(*args, **more)
        *_, line = self.lines(count + 1)
        assert line["status"] == status
        return line

    def status(self, status):
        return status if self.flavour == "Module" else IN_AUTH_REQUEST.get(status, status)

    def text(self):
        return (self.nginx.root / "audit.log").read_text()

    def close(self):
        problems = self.nginx.stop()
        assert problems == []


@pytest.fixture(params=FLAVOURS)
def start_audited(request, root, folder, key, application, agent):
    started = []

    def make(sampled):
        started.append(Audited(root, folder, key, application, request.param, agent, sampled))
        return started[-1]

    yield make
    for audited in started:
        audited.close()


@pytest.fixture
def audited(start_audited):
    return start_audited(1)


def alice(key, **more):
    return key.token(**{"azp": "web", "scope": "orders:read", "jti": "t-1", **more})


def check(audited, line, **wanted):
    """All fields, in their order, and each value."""
    assert list(line) == FIELDS
    assert abs(datetime.fromisoformat(line["ts"]).timestamp() - time.time()) < 60
    assert re.fullmatch(r"\d{1,7}", line["decisionMicroseconds"]) and 0 <= line["seconds"] < 60
    usual = {
        "msg": "request", "object": WORKLOAD, "auditDecision": "", "auditRule": "", "method": "GET", "host": "orders.test",
        "peer": "127.0.0.1", "revision": audited.revision, "traceId": TRACE,
    }  # fmt: skip
    known = {k: v for k, v in line.items() if k not in ("ts", "decisionMicroseconds", "seconds")}
    assert known == {**usual, **wanted}


def test_an_allowed_request_says_who_by_which_rule(audited, key):
    line = audited.line("/orders/1?q=hidden", alice(key))
    check(audited, line, decision="allow", status=200, reason="", policy="shop/orders", rule="read", path="/orders/1", **ALICE)
    line = audited.line("/public/x", method="POST", body="hidden", host="other.test:81")
    check(audited, line, decision="allow", status=200, reason="", policy="shop/orders", rule="public", path="/public/x", method="POST", host="other.test", **NOBODY)


def test_a_refused_request_says_why(audited, key):
    nobody = {"decision": "deny", "policy": "", "rule": "", **NOBODY}
    line = audited.line("/orders/1", alice(key, exp=int(time.time()) - 100))
    check(audited, line, **{**nobody, "issuer": "https://idp.test"}, status=401, reason="expired", path="/orders/1")
    line = audited.line("/other/1?a=b", alice(key))
    check(audited, line, **{**nobody, **ALICE}, status=403, reason="no_rule_matched", path="/other/1")
    line = audited.line("/orders/1")
    check(audited, line, **nobody, status=401, reason="token_missing", path="/orders/1")
    line = audited.line("/orders//1?a", alice(key))
    check(audited, line, **nobody, status=audited.status(400), reason="path_ambiguous", path="/orders//1")


def test_of_what_is_allowed_a_sample_has_lines_as_large_as_was_asked_for(start_audited):
    audited = start_audited(0.5)
    assert [audited.ask("/public/x") for _ in range(400)] == [200] * 400
    audited.line("/orders/1")  # a refusal has one always: it is the last
    assert 140 <= len(audited.nginx.access_lines()) - 1 <= 260  # six standard deviations


def test_what_audit_policies_would_say_has_a_line_whatever_is_sampled(start_audited, key):
    audited = start_audited(0)
    allowed = {"decision": "allow", "status": 200, "reason": "", "policy": "shop/orders", "rule": "read", **ALICE}
    line = audited.line("/orders/7", alice(key))
    check(audited, line, **allowed, path="/orders/7", auditDecision="deny", auditRule="shop/trial:forbidden")
    line = audited.line("/later/7", alice(key))
    check(audited, line, decision="deny", status=403, reason="no_rule_matched", policy="", rule="", path="/later/7", auditDecision="allow", auditRule="shop/trial:open", **ALICE)
    assert audited.ask("/orders/1", alice(key)) == 200
    assert audited.line("/other")["path"] == "/other"
    assert len(audited.lines(3)) == 3  # nothing of what is allowed by both


def test_the_path_is_what_was_sent(audited, key):
    for sent, path in {
        "/orders/../public": "/orders/../public",
        "/public/./x": "/public/./x",
        "/public/%2e%2e/orders": "/public/%2e%2e/orders",
        "/public/a%20b%C3%A9?c": "/public/a%20b%C3%A9",
        "//public": "//public",
        "/public/x?/y?z": "/public/x",
        "/public/x;a=b": "/public/x;a=b",
        '/public/"\\': '/public/"\\',
        "/public/a:b@c,d": "/public/a:b@c,d",
        "/public/\u00e9": "/public/%C3%A9",
        "http://orders.test/public/x?y": "/public/x",
        "http://orders.test?x=y": "/",
        "http://orders.test": "/",
    }.items():
        assert audited.line(sent)["path"] == path
    line = audited.nginx.raw(b"GET /public/\xff\xfe?\xff HTTP/1.1\r\nHost: orders.test\r\nConnection: close\r\n\r\n")
    assert line.status == audited.status(400)
    assert audited.lines(14)[-1]["path"] == "/public/%FF%FE"


def test_a_line_stays_a_line_of_json(audited, key):
    hostile = 'a"b\\c\r\n{"decision":"allow"}\u2028\x7f\x01\u00e9'
    line = audited.line("/other", alice(key, sub=hostile, azp=hostile, jti=hostile, scope=hostile, iss=None))
    assert line["reason"] == "issuer_unknown"
    line = audited.line("/other", alice(key, sub=hostile, azp=hostile, jti=hostile))
    shown = 'a"b\\c%0D%0A{"decision":"allow"}\u2028%7F%01\u00e9'
    assert (line["subject"], line["client"], line["tokenId"]) == (shown, shown, shown)
    line = audited.line("/other", alice(key, iss=hostile))
    assert line["issuer"] == shown and line["reason"] == "issuer_unknown"
    for host in (b"\xff\xfe", b"a\xffb.test"):
        audited.nginx.raw(b"GET /other HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
    assert [line["reason"] for line in audited.lines(5)[3:]] == ["host_mismatch", "host_mismatch"]


def test_a_trace_is_made_where_none_was_sent_and_passed_on(audited, application):
    audited.nginx.request("/public/1")
    audited.nginx.request("/public/2", headers=[("traceparent", "00-" + "0" * 32 + "-00f067aa0ba902b7-01")])
    assert audited.ask("/public/3") == 200
    lines = audited.lines(3)
    passed = [got.all(b"traceparent") for got in application.requests]
    assert [[line["traceId"].encode()] for line in lines] == [[one.split(b"-")[1] for one in got] for got in passed]
    assert passed[2] == [TRACEPARENT.encode()]
    assert len({line["traceId"] for line in lines}) == 3 and all(re.fullmatch("[0-9a-f]{32}", line["traceId"]) for line in lines)


def test_no_line_holds_a_token_or_a_part_of_one(audited, key):
    stranger, good = Key("k1"), alice(key)
    expired, forged, unknown = alice(key, exp=1), alice(stranger), alice(Key("k9"))
    for token in (good, expired, forged, unknown, good[:-1], good + "x", good.rsplit(".", 1)[0], "a" * 17000):
        for target in ("/orders/1", "/public/x", "/other", "/orders//1"):
            audited.line(target, token)
    for headers in ([("Authorization", f"Bearer {good}, Bearer {forged}")], [("Authorization", f"Bearer {good} x")], [("Cookie", f"session={good}")], [("X-Token", good)]):
        audited.line("/orders/1", headers=headers)
    audited.line(f"/orders/1?access_token={good}")
    audited.line(f"/orders/1?x#{good}")
    text = audited.text()
    for token in audited.sent:
        header, _, rest = token.partition(".")
        for part in (header, *rest.split(".")):
            assert len(part) < 8 or all(part[i : i + 16] not in text for i in range(max(1, min(len(part), 2000) - 15)))


@pytest.mark.parametrize("ratio,least,most", [(0, 0, 0), (0.5, 60, 140), (1, 200, 200)])
def test_so_many_of_the_allowed_requests_have_a_line_as_the_ratio_says(start_audited, key, ratio, least, most):
    """Of 200 at one half, fewer than 60 or more than 140 are 5.7 standard deviations away."""
    audited = start_audited(ratio)
    for i in range(200):
        assert audited.ask(f"/public/{i}") == 200
    assert audited.ask("/other") == 403  # a refusal always has one
    *allowed, refused = wait_until(lambda: (lines := audited.nginx.access_lines()) and lines[-1]["decision"] == "deny" and lines, "the last line")
    assert least <= len(allowed) <= most and refused["reason"] == "no_rule_matched"
    assert len({line["path"] for line in allowed}) == len(allowed) and {line["decision"] for line in allowed} <= {"allow"}


@pytest.mark.parametrize("ratio,logged", [(0, ["no_rule_matched"]), (1, ["", "", "no_rule_matched"])])
@pytest.mark.parametrize("phase", ["needed", "always"])
def test_the_log_phase_is_left_out_where_it_is_so_configured(folder, key, start, phase, ratio, logged):
    """The access_log of these tests has no condition."""
    folder.write(provider("okta", key), policy(rules=[READ, PUBLIC]))
    nginx = start(http=f"mesh_auth_log_phase {phase}; mesh_auth_audit_allowed {ratio};")
    assert nginx.request("/public/x").status == 200
    token = key.token(scope="orders:read")
    assert nginx.request("/orders/1", token).status == 200
    assert nginx.request("/other", token).status == 403
    reasons = lambda: [line["reason"] for line in nginx.access_lines()]
    wait_until(lambda: reasons()[-1:] == ["no_rule_matched"], "the last line")
    assert reasons() == (logged if phase == "needed" else ["", "", "no_rule_matched"])


def test_a_request_that_ends_without_an_answer_has_status_0(root, folder, key, agent):
    """A worker that was replaced ends after worker_shutdown_timeout, and with it what it still waits for."""
    revision = folder.write(provider("okta", key), policy(rules=[PUBLIC]), auth_conf="")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        text, ports = rendered.rendered(root, folder, silent.getsockname()[1], shipped=True, audit_allowed=1)
        nginx = Nginx(root, rendered.replaced(text, "worker_shutdown_timeout 1h", "worker_shutdown_timeout 1s"), ports["http1"]).start()
        wait_until(lambda: agent.running(revision), "the bundle is in force")
        with nginx.connect() as client:
            client.sendall(b"GET /public/x HTTP/1.1\r\nHost: h\r\n\r\n")
            asked = silent.accept()[0]
            nginx.reload()
            (line,) = wait_until(nginx.access_lines, "the line")
            asked.close()
        assert (line["status"], line["decision"]) == (0, "allow")
        nginx.stop()


def test_the_documentation_names_each_field():
    page = (REPOSITORY / "docs" / "audit-line.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.M) == FIELDS
    example = json.loads(re.search(r"^```json\n(.*?)\n```$", page, re.M | re.S)[1])
    assert list(example) == FIELDS
