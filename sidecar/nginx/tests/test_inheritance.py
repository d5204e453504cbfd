"""One decision per client request: nothing inside nginx gets round it, and nothing is decided twice."""

import base64

import pytest

from harness import read_response, wait_until
from resources import PUBLIC, READ, WRITE, caller, policy, provider

INSIDE = {
    "name": "inside",
    "action": "Allow",
    "from": [caller(scopes={"all": ["orders:read"]})],
    "to": [{"methods": ["GET"], "paths": ["/any/**", "/a/**", "/b/**", "/page/**", "/limited/**"]}],
}
PROTECTED = "proxy_set_header Host $host; proxy_pass http://127.0.0.1:{upstream};"


@pytest.fixture
def begin(folder, key, start, upstream, root):
    """nginx with further locations beside the usual one."""
    folder.write(provider("okta", key), policy(rules=[READ, WRITE, PUBLIC, INSIDE]))
    (root / "html").mkdir()
    (root / "html" / "denied.html").write_text("<p>our own page</p>")

    def make(server, **parts):
        return start(server=server.replace("PROXY", PROTECTED.format(upstream=upstream.port)).replace("ROOT", str(root)), **parts)

    return make


def reached(upstream, before):
    return upstream.requests[before:]


def test_satisfy_any_does_not_skip_the_decision(begin, key, upstream):
    nginx = begin("location /any/ { satisfy any; allow all; mesh_auth on; PROXY }")
    before = len(upstream.requests)
    assert nginx.request("/any/x").status == 401
    assert reached(upstream, before) == []


def test_satisfy_any_with_basic_auth_does_not_either(begin, root, upstream):
    secret = base64.b64encode(b"u:p").decode()
    (root / "users").write_text("u:{PLAIN}p\n")
    nginx = begin("location /any/ { satisfy any; auth_basic x; auth_basic_user_file ROOT/users; deny all; mesh_auth on; PROXY }")
    before = len(upstream.requests)
    assert nginx.request("/any/x", headers=[("Authorization", f"Basic {secret}")]).status == 401
    assert reached(upstream, before) == []


def test_an_internal_redirect_inherits_the_decision(begin, key):
    server = """
      location /orders/ { mesh_auth on; try_files /none /inner$uri; }
      location /inner/ { internal; mesh_auth on; PROXY }"""
    nginx = begin(server)
    assert nginx.request("/orders/1").status == 401
    allowed = nginx.request("/orders/1", key.token(scope="orders:read"))
    # Decided on what the client asked for: /inner/... itself no rule allows.
    assert allowed.status == 200 and allowed.json()["target"].startswith("/inner/orders/1")
    lines = wait_until(lambda: len(nginx.access_lines()) >= 2 and nginx.access_lines(), "both lines")
    assert [(line["decision"], line["rule"]) for line in lines[-2:]] == [("deny", ""), ("allow", "read")]


def test_a_redirect_out_of_an_off_location_is_decided_where_it_arrives(begin, key, upstream):
    server = """
      location /orders/ { mesh_auth off; try_files /none @app; }
      location @app { mesh_auth on; PROXY }"""
    nginx = begin(server)
    before = len(upstream.requests)
    assert nginx.request("/orders/1").status == 401
    assert reached(upstream, before) == []
    assert nginx.request("/orders/1", key.token(scope="orders:read")).status == 200


def test_try_files_to_a_named_location_inherits(begin, key, upstream):
    server = """
      location /orders/ { mesh_auth on; try_files /none @app; }
      location @app { mesh_auth on; PROXY }"""
    nginx = begin(server)
    before = len(upstream.requests)
    assert nginx.request("/orders/1", key.token(scope="other")).status == 403
    assert reached(upstream, before) == []
    assert nginx.request("/orders/1", key.token(scope="orders:read")).status == 200


def test_a_rewrite_changes_where_it_goes_not_what_was_decided(begin, key):
    server = """
      location /orders/ { mesh_auth on; rewrite ^ /public/x last; }
      location /public/ { mesh_auth on; PROXY }
      location /public2/ { mesh_auth on; rewrite ^/public2/(.*) /orders/$1 last; }"""
    nginx = begin(server)
    assert nginx.request("/orders/1").status == 401  # what the client sent was /orders/1
    assert nginx.request("/orders/1", key.token(scope="orders:read")).status == 200


def test_our_own_error_page_is_shown_after_a_refusal(begin):
    server = """
      error_page 401 /denied.html;
      location = /denied.html { root ROOT/html; mesh_auth on; }"""
    nginx = begin(server)
    answer = nginx.request("/orders/1")
    assert answer.status == 401
    assert answer.body == b"<p>our own page</p>"
    assert answer.all("WWW-Authenticate") == ['Bearer realm="mesh-auth"']


def test_an_error_page_that_is_proxied_is_refused_again_unless_off(begin, upstream):
    server = """
      location /a/ { mesh_auth on; error_page 401 @app; PROXY }
      location @app { mesh_auth on; PROXY }
      location /b/ { mesh_auth on; error_page 401 =401 @pages; PROXY }
      location @pages { mesh_auth off; PROXY }"""
    nginx = begin(server)
    before = len(upstream.requests)
    answer = nginx.request("/a/x")
    assert answer.status == 401 and answer.json() == {"code": 401, "message": "Unauthorized"}
    assert len(answer.all("WWW-Authenticate")) == 1
    assert reached(upstream, before) == []
    assert nginx.request("/b/x").status == 401
    assert len(reached(upstream, before)) == 1


@pytest.mark.parametrize("recursive", ["off", "on"])
def test_error_pages_of_error_pages_do_not_get_round_it(begin, upstream, recursive):
    server = f"""
      recursive_error_pages {recursive};
      error_page 401 403 503 /orders/again;
      location /orders/again {{ mesh_auth on; PROXY }}"""
    nginx = begin(server)
    before = len(upstream.requests)
    answer = nginx.request("/orders/1")
    assert answer.status in (401, 500)
    assert reached(upstream, before) == []
    if recursive == "off":
        assert answer.json() == {"code": 401, "message": "Unauthorized"}


def test_an_error_page_after_a_return_is_decided_with_the_client_s_method(begin, key, upstream):
    """error_page makes a GET of everything: the decision is on the POST that came, or the PUT, which is as long as a GET."""
    server = """
      location = /orders { error_page 418 =200 @app; return 418; }
      location = /orders/post { error_page 418 =200 /orders/inner; return 418; }
      location = /orders/inner { mesh_auth on; PROXY }
      location @app { mesh_auth on; PROXY }"""
    nginx = begin(server)
    before = len(upstream.requests)
    read = key.token(scope="orders:read")
    for method in ("POST", "PUT"):
        assert nginx.request("/orders/post", read, method=method, body="x").status == 403
    assert reached(upstream, before) == []
    assert nginx.request("/orders/post", read).status == 200


def test_subrequests_inherit(begin, key, root, upstream):
    """auth_request and mirror go to protected locations: the client's decision counts, once."""
    server = """
      location /orders/ { mesh_auth on; auth_request /check; mirror /copy; PROXY }
      location = /check { internal; mesh_auth on; PROXY }
      location = /copy { internal; mesh_auth on; PROXY }"""
    nginx = begin(server)
    before = len(upstream.requests)
    assert nginx.request("/orders/1").status == 401
    assert reached(upstream, before) == []
    assert nginx.request("/orders/1", key.token(scope="orders:read")).status == 200
    wait_until(lambda: len(reached(upstream, before)) == 3, "check, copy and the request itself")


def test_a_subrequest_from_an_off_location_is_decided_on_the_client_s_request(begin, key, root, upstream):
    server = """
      location /page/ { mesh_auth off; auth_request /check; PROXY }
      location = /check { internal; mesh_auth on; PROXY }"""
    nginx = begin(server)
    before = len(upstream.requests)
    assert nginx.request("/page/x").status == 401
    assert nginx.request("/page/x", key.token(scope="none")).status == 403
    assert reached(upstream, before) == []
    assert nginx.request("/page/x", key.token(scope="orders:read")).status == 200


def test_observe_decides_logs_and_lets_pass(begin):
    nginx = begin("location /watched/ { mesh_auth observe; PROXY }")
    assert nginx.request("/watched/x").status == 200
    line = wait_until(nginx.access_lines, "the line")[0]
    assert (line["decision"], line["reason"], line["log"]) == ("deny", "no_rule_matched", "1")


def test_off_neither_decides_nor_logs(begin):
    nginx = begin("location /off/ { mesh_auth off; PROXY }")
    assert nginx.request("/off/x").status == 200
    line = wait_until(nginx.access_lines, "the line")[0]
    assert (line["decision"], line["reason"], line["log"]) == ("", "", "")


def test_a_refused_post_leaves_the_connection_usable(begin, key):
    nginx = begin("")
    with nginx.connect() as s, s.makefile("rb") as stream:
        s.sendall(b"POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        assert read_response(stream).status == 401
        token = key.token(scope="orders:read").encode()
        s.sendall(b"GET /orders/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token + b"\r\n\r\n")
        assert read_response(stream).status == 200


def test_head_has_no_body_and_the_same_challenge(begin):
    answer = begin("").request("/orders/1", method="HEAD")
    assert answer.status == 401 and answer.body == b""
    assert answer.header("WWW-Authenticate") == 'Bearer realm="mesh-auth"'


def test_http_1_0_and_absolute_form_are_decided_like_others(begin, key):
    nginx = begin("")
    assert nginx.raw("GET /orders/1 HTTP/1.0\r\n\r\n").status == 401
    token = key.token(scope="orders:read")
    raw = f"GET http://orders.test/orders/1 HTTP/1.1\r\nHost: orders.test\r\nConnection: close\r\nAuthorization: bearer {token}\r\n\r\n"
    answer = nginx.raw(raw)
    assert answer.status == 200 and answer.json()["target"] == "/orders/1"


def test_it_runs_after_limit_req(begin):
    """A caller over the limit costs no decision: limit_req answers first."""
    nginx = begin(
        "location /limited/ { limit_req zone=one; mesh_auth on; PROXY }",
        http="limit_req_zone $server_port zone=one:64k rate=1r/m;",
    )
    assert nginx.request("/limited/x").status == 401
    assert nginx.request("/limited/x").status == 503
    lines = wait_until(lambda: len(nginx.access_lines()) >= 2 and nginx.access_lines(), "both lines")
    assert [line["decision"] for line in lines] == ["deny", ""]


def test_it_runs_after_realip(begin, folder, key, agent):
    rule = {"name": "office", "action": "Allow", "from": [{"anyone": True}], "when": [{"sourceIPs": ["10.1.0.0/16"]}]}
    nginx = begin("set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;")
    revision = folder.write(policy(rules=[rule]))
    wait_until(lambda: agent.running(revision), "the swap")
    assert nginx.request("/x", headers=[("X-Real-IP", "10.1.2.3")]).status == 200
    assert nginx.request("/x", headers=[("X-Real-IP", "10.2.2.3")]).status == 403


def test_it_runs_after_the_realip_of_a_location(begin, folder, key, agent):
    """There nginx knows the location only in the phase that we are asked in."""
    nginx = begin("location /near/ { set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP; mesh_auth on; PROXY }")
    rule = {"name": "office", "action": "Allow", "from": [{"anyone": True}], "when": [{"sourceIPs": ["10.1.0.0/16"]}]}
    revision = folder.write(policy(rules=[rule]))
    wait_until(lambda: agent.running(revision), "the swap")
    assert nginx.request("/near/x", headers=[("X-Real-IP", "10.1.2.3")]).status == 200
    assert nginx.request("/near/x", headers=[("X-Real-IP", "10.2.2.3")]).status == 403
    assert nginx.request("/x", headers=[("X-Real-IP", "10.1.2.3")]).status == 403


def test_plain_error_bodies_and_resource_metadata(begin):
    nginx = begin("mesh_auth_error_body plain; mesh_auth_resource_metadata https://orders.test/.well-known/x;")
    answer = nginx.request("/orders/1")
    assert answer.body == b"401 Unauthorized\n"
    assert answer.header("WWW-Authenticate") == (
        'Bearer realm="mesh-auth", resource_metadata="https://orders.test/.well-known/x"'
    )


PREFLIGHT = [("Origin", "https://app.test"), ("Access-Control-Request-Method", "GET")]


def test_preflights_are_decided_unless_they_shall_pass(begin):
    nginx = begin("location /pass/ { mesh_auth on; mesh_auth_preflight pass; PROXY }")
    assert nginx.request("/orders/1", method="OPTIONS", headers=PREFLIGHT).status in (401, 403)
    assert nginx.request("/pass/1", method="OPTIONS", headers=PREFLIGHT).status == 200
    assert nginx.request("/pass/1", method="OPTIONS").status == 403  # no preflight
    assert nginx.request("/pass/1", headers=PREFLIGHT).status == 403


def test_path_allow_makes_an_encoded_slash_plain_data(begin, folder, key, agent):
    nginx = begin("location /allow/ { mesh_auth on; mesh_auth_path_allow encoded-slash,semicolon; PROXY }")
    rule = {"name": "one", "action": "Allow", "from": [{"anyone": True}], "to": [{"paths": ["/allow/{name}"]}]}
    revision = folder.write(policy(rules=[rule]))
    wait_until(lambda: agent.running(revision), "the swap")
    assert nginx.request("/allow/a%2Fb;c").json()["target"] == "/allow/a%2Fb;c"
    assert nginx.request("/other/a%2Fb").status == 400


def test_ports_of_a_rule_are_the_application_s(begin, folder, agent):
    nginx = begin("location /nine/ { mesh_auth on; mesh_auth_port 9090; PROXY }")
    rule = {"name": "p", "action": "Allow", "from": [{"anyone": True}], "to": [{"ports": [9090]}]}
    revision = folder.write(policy(rules=[rule]))
    wait_until(lambda: agent.running(revision), "the swap")
    assert nginx.request("/nine/x").status == 200
    assert nginx.request("/x").status == 403
