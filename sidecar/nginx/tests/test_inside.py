"""What the application itself, or nginx without it, could answer from: an internal location that an answer points to, files on
the disk, whole servers."""

import socket

import pytest

from harness import free_port, read_response, wait_until
from resources import PUBLIC, READ, caller, policy, provider

INSIDE = {
    "name": "inside",
    "action": "Allow",
    "from": [caller(scopes={"all": ["orders:read"]})],
    "to": [{"paths": ["/open/**", "/files/**", "/things"]}],
}
PROXY = "proxy_set_header Host $host; proxy_set_header X-Answer-At ''; proxy_pass http://127.0.0.1:{upstream};"


@pytest.fixture
def begin(folder, key, start, upstream, root):
    """nginx with further locations beside the usual one, and files on its disk."""
    folder.write(provider("okta", key), policy(rules=[READ, PUBLIC, INSIDE]))
    (root / "files").mkdir()
    (root / "files" / "secret.txt").write_text("secret")

    def make(server="", **parts):
        filled = server.replace("PROXY", PROXY.format(upstream=upstream.port)).replace("ROOT", str(root))
        return start(server=filled.replace("UPSTREAM", str(upstream.port)), **parts)

    return make


def accel(at, to):
    """A request whose answer, from the location `at`, points to another location."""
    return [("X-Answer-At", at), ("X-Answer", f"X-Accel-Redirect: {to}")]


INNER = """
  location /inner/ { internal; mesh_auth on; PROXY }
  location @named { mesh_auth on; PROXY }
  location /kept/ { internal; mesh_auth on; alias ROOT/files/; }"""
POINTED = [("/inner/x", "/inner/x"), ("@named", "/orders/1"), ("/kept/secret.txt", None)]


@pytest.mark.parametrize("to, delivered", POINTED)
def test_where_an_answer_points_to_inherits_the_decision(begin, key, upstream, to, delivered):
    nginx = begin(INNER)
    before = len(upstream.requests)
    assert nginx.request("/orders/1", headers=accel("/orders/1", to)).status == 401
    assert nginx.request("/orders/1", key.token(scope="other"), headers=accel("/orders/1", to)).status == 403
    assert upstream.requests[before:] == []
    answer = nginx.request("/orders/1", key.token(scope="orders:read"), headers=accel("/orders/1", to))
    assert answer.status == 200
    assert answer.body == b"secret" if delivered is None else answer.json()["target"] == delivered
    lines = wait_until(lambda: len(nginx.access_lines()) >= 3 and nginx.access_lines(), "a line for each request, and no more")
    assert [(line["decision"], line["rule"]) for line in lines] == [("deny", ""), ("deny", ""), ("allow", "read")]


@pytest.mark.parametrize("to, delivered", POINTED)
def test_where_an_undecided_answer_points_to_is_decided_on_the_client_s_request(begin, key, upstream, to, delivered):
    nginx = begin(INNER + "location /open/ { mesh_auth off; proxy_pass http://127.0.0.1:UPSTREAM; }")
    target = "/open/x"
    for token, status in ((None, 401), (key.token(scope="other"), 403), (key.token(scope="orders:read"), 200)):
        before = len(upstream.requests)
        answer = nginx.request(target, token, headers=accel(target, to))
        assert answer.status == status
        assert b"secret" not in answer.body or status == 200
        inner = upstream.requests[before + 1 :]  # the first is the open location's own
        assert len(inner) == (status == 200 and delivered is not None)


def test_a_refused_subrequest_opens_no_files_to_its_request(begin, key, upstream):
    """An error page of files may follow a refusal: of the request itself, not of a copy that nginx made of it."""
    copied = "location /open/ { mesh_auth off; mirror /copy; proxy_pass http://127.0.0.1:UPSTREAM; }"
    nginx = begin(INNER + copied + "location = /copy { internal; mesh_auth on; PROXY }")
    before = len(upstream.requests)
    answer = nginx.request("/open/x", headers=accel("/open/x", "/kept/secret.txt"))
    assert answer.status == 401 and b"secret" not in answer.body
    assert [request["target"] for request in upstream.requests[before:]] == ["/open/x"]
    assert nginx.request("/open/x", key.token(scope="orders:read"), headers=accel("/open/x", "/kept/secret.txt")).body == b"secret"


def test_a_client_s_own_x_accel_redirect_points_nowhere(begin, key):
    nginx = begin(INNER)
    for name in ("X-Accel-Redirect", "X-Sendfile", "X-Original-URL", "X-Rewrite-URL"):
        assert nginx.request("/orders/1", headers=[(name, "/public/x")]).status == 401
        answer = nginx.request("/public/x", headers=[(name, "/kept/secret.txt")])
        assert answer.status == 200 and answer.json()["target"] == "/public/x"


def test_files_that_nginx_itself_serves_are_decided(begin, key):
    nginx = begin("location /files/ { mesh_auth on; root ROOT; } location /free/ { mesh_auth off; alias ROOT/files/; }")
    answer = nginx.request("/files/secret.txt")
    assert answer.status == 401 and b"secret" not in answer.body
    assert nginx.request("/files/secret.txt", key.token(scope="other")).status == 403
    assert nginx.request("/files/secret.txt", key.token(scope="orders:read")).body == b"secret"
    assert nginx.request("/free/secret.txt").body == b"secret"


def test_return_and_its_like_answer_before_anything_is_decided(begin):
    """They run in nginx's rewrite phase, and nothing reaches an application: who writes them means them."""
    nginx = begin("location /said/ { mesh_auth on; return 204; }")
    assert nginx.request("/said/x").status == 204


def test_a_mode_of_the_whole_server_counts_in_its_locations(begin, key, upstream):
    nginx = begin("mesh_auth on; location /files/ { root ROOT; } location /open/ { mesh_auth off; PROXY }", location="")
    assert nginx.request("/orders/1").status == 401
    assert nginx.request("/files/secret.txt").status == 401
    assert nginx.request("/open/x").status == 200
    assert nginx.request("/orders/1", key.token(scope="orders:read")).status == 200


def test_networks_of_sixteen_byte_addresses(begin, folder, upstream, agent):
    port = free_port()
    proxied = f"mesh_auth on; proxy_pass http://127.0.0.1:{upstream.port};"
    nginx = begin(http=f"server {{ listen [::1]:{port}; location / {{ {proxied} }} }}")
    for block, status in (("::1/128", 200), ("::2/128", 403), ("127.0.0.0/8", 403)):
        rule = {"name": "near", "action": "Allow", "from": [{"anyone": True}], "when": [{"sourceIPs": [block]}]}
        revision = folder.write(policy(rules=[rule]))
        wait_until(lambda: agent.running(revision), "the swap")
        with socket.create_connection(("::1", port), timeout=10) as s, s.makefile("rb") as stream:
            s.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert read_response(stream).status == status
        assert nginx.request("/x").status == (200 if block == "127.0.0.0/8" else 403)


def test_a_request_of_two_meanings_ends_its_connection(begin):
    """Who sent it may have sent more of it: what follows is not looked at."""
    nginx = begin()
    with nginx.connect() as s, s.makefile("rb") as stream:
        s.sendall(b"GET /public//x HTTP/1.1\r\nHost: a\r\n\r\nGET /public/x HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = read_response(stream)
        assert answer.status == 400 and answer.header("Connection") == "close"
        assert stream.read() == b""


def test_no_100_continue_invites_the_body_of_a_refused_request(begin, key):
    nginx = begin()
    with nginx.connect() as s, s.makefile("rb") as stream:
        s.sendall(b"POST /things HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert read_response(stream).status == 401
