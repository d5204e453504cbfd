"""A real nginx tells callers apart from a bundle's folder."""

import time

import pytest

from harness import wait_until
from resources import PUBLIC, READ, WRITE, Key, caller, policy, provider


@pytest.fixture
def nginx(folder, key, start):
    folder.write(provider("okta", key), policy(rules=[READ, WRITE, PUBLIC]))
    return start()


def test_no_token_is_401_without_an_error_code(nginx):
    answer = nginx.request("/orders/1")
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") == 'Bearer realm="mesh-auth"'
    assert answer.json() == {"code": 401, "message": "Unauthorized"}
    assert answer.header("Content-Type") == "application/json"


def test_a_token_without_the_scope_is_403_and_names_the_scope(nginx, key):
    answer = nginx.request("/orders/1", key.token(scope="other"))
    assert answer.status == 403
    assert answer.header("WWW-Authenticate") == 'Bearer realm="mesh-auth", error="insufficient_scope", scope="orders:read"'


def test_the_right_scope_is_200_and_reaches_the_upstream(nginx, key):
    answer = nginx.request("/orders/1?x=%2f", key.token(scope="orders:read"))
    assert answer.status == 200
    assert answer.json()["target"] == "/orders/1?x=%2f"


def test_a_path_that_no_rule_names_is_403(nginx, key):
    answer = nginx.request("/other", key.token(scope="orders:read"))
    assert answer.status == 403
    assert answer.header("WWW-Authenticate") is None


def test_a_presented_token_that_fails_is_401_on_public_paths_too(nginx, key):
    assert nginx.request("/public/x").status == 200
    answer = nginx.request("/public/x", key.token(exp=int(time.time()) - 1000))
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") == 'Bearer realm="mesh-auth", error="invalid_token"'


@pytest.mark.parametrize(
    "reason, token",
    [
        ("expired", lambda key: key.token(exp=1000)),
        ("issuer_unknown", lambda key: key.token(iss="https://other.test")),
        ("audience_mismatch", lambda key: key.token(aud="api://other")),
        ("exp_missing", lambda key: key.token(exp=None)),
        ("kid_unknown", lambda key: key.token(header={"kid": "k9"})),
        ("signature_invalid", lambda key: Key("k1").token()),
        ("alg_not_allowed", lambda key: key.token(header={"alg": "none"})),
        ("token_segments", lambda key: "abc"),
    ],
)
def test_each_refused_token_has_its_reason_in_the_log(nginx, key, reason, token):
    assert nginx.request("/orders/1", token(key)).status == 401
    line = wait_until(nginx.access_lines, "the audit line")[0]
    assert (line["decision"], line["reason"], line["log"]) == ("deny", reason, "1")


@pytest.mark.parametrize(
    "reason, raw",
    [
        ("path_ambiguous", "GET /orders/../public HTTP/1.1\r\nHost: a\r\n"),
        ("path_ambiguous", "GET /orders//1 HTTP/1.1\r\nHost: a\r\n"),
        ("path_ambiguous", "GET /orders/%2e%2e/x HTTP/1.1\r\nHost: a\r\n"),
        ("path_ambiguous", "GET /orders/1%2F2 HTTP/1.1\r\nHost: a\r\n"),
        ("path_ambiguous", "GET /orders/1;x=y HTTP/1.1\r\nHost: a\r\n"),
        ("path_ambiguous", "GET /orders/1#frag HTTP/1.1\r\nHost: a\r\n"),
        ("host_mismatch", "GET http://b/orders/1 HTTP/1.1\r\nHost: a\r\n"),
        ("token_multiple", "GET /orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c, Bearer d.e.f\r\n"),
        ("token_malformed_source", "GET /orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\r\n"),
        ("token_malformed_source", "GET /orders HTTP/1.1\r\nHost: a\r\nAuthorization: bearer a b\r\n"),
    ],
)
def test_what_two_parsers_could_read_differently_is_400(nginx, reason, raw):
    answer = nginx.raw(raw + "Connection: close\r\n\r\n")
    assert answer.status == 400
    assert answer.header("WWW-Authenticate") is None
    assert wait_until(nginx.access_lines, "the audit line")[0]["reason"] == reason


def test_nginx_itself_refuses_two_authorization_headers_and_nothing_is_decided(nginx):
    for twice in ("Authorization: Bearer a.b.c", "Host: a"):
        assert nginx.raw(f"GET /public/x HTTP/1.1\r\nHost: a\r\n{twice}\r\n{twice}\r\n\r\n").status == 400
    assert nginx.request("/public/x").status == 200
    lines = wait_until(lambda: len(nginx.access_lines()) >= 3 and nginx.access_lines(), "three lines")
    assert [(line["status"], line["decision"], line["reason"]) for line in lines] == [("400", "", "")] * 2 + [("200", "allow", "")]


def test_a_token_over_16_kib_is_refused_by_name(nginx):
    assert nginx.request("/orders", "a" * 17000).status == 401
    assert wait_until(nginx.access_lines, "the audit line")[0]["reason"] == "token_too_large"


def test_the_audit_line_says_who_what_and_why_but_never_the_token(nginx, key):
    token = key.token(scope="orders:read x", jti="t-1", azp="web")
    nginx.request("/orders/1", token)
    line = wait_until(nginx.access_lines, "the audit line")[0]
    assert line["decision"] == "allow" and line["reason"] == "" and line["log"] == ""
    assert (line["policy"], line["rule"], line["provider"]) == ("shop/orders", "read", "shop/okta")
    assert (line["subject"], line["scopes"], line["token_id"]) == ("alice", "orders:read x", "t-1")
    assert len(line["revision"]) == 64 and len(line["trace_id"]) == 32
    assert token not in str(nginx.access_lines()) and token not in nginx.log()


def test_a_user_reads_his_own_path_alone(folder, key, start):
    rule = {
        "name": "own",
        "action": "Allow",
        "from": [caller()],
        "to": [{"paths": ["/users/{id}/**"]}],
        "when": [{"pathVariable": "id", "equalsClaim": ["sub"]}],
    }
    folder.write(provider("okta", key), policy(rules=[rule]))
    nginx = start()
    assert nginx.request("/users/alice/x", key.token()).status == 200
    assert nginx.request("/users/bob/x", key.token()).status == 403
