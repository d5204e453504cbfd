"""A stock nginx that asks the agent: what only this way of asking could get wrong. The table of what clients send is in
test_spoofs.py and test_agreement.py, for this flavour too."""

import os
import signal
import socket

import pytest

import rendered
from harness import Nginx, read_response, wait_until
from rawhttp import RawClient
from rendered import Decided
from resources import PUBLIC, READ, WRITE, caller, policy, provider

FORWARD = {"claims": [{"path": ["email"], "header": "X-User-Email"}], "token": "Remove"}
IDENTITY = rendered.auth_conf("Authorization", "X-User-Email", flavour="AuthRequest")
OWN = {"name": "own", "action": "Allow", "from": [caller()], "to": [{"paths": ["/me/**", "/ws"]}]}
OFFICE = {"name": "office", "action": "Allow", "from": [{"anyone": True}], "to": [{"paths": ["/office"]}], "when": [{"sourceIPs": ["10.0.0.0/8"]}]}


@pytest.fixture
def asked(root, folder, key, application):
    """A stock nginx, the agent with a bundle in force, and what the application got."""
    revision = folder.write(provider("okta", key, forward=FORWARD), policy(rules=[READ, WRITE, PUBLIC, OWN, OFFICE]), auth_conf=IDENTITY)
    nginx = rendered.start(root, folder, application.port, identity=IDENTITY, flavour="AuthRequest")
    wait_until(lambda: nginx.agent.running(revision), "the bundle is in force")
    yield nginx
    # A socket that a test took away is critical to nginx, and rightly so.
    assert [line for line in nginx.stop() if "decide.sock failed (2: No such file" not in line] == []


def bearer(key, **claims):
    return f"Authorization: Bearer {key.token(**claims)}".encode()


def get(target, *lines, method=b"GET", host=b"Host: h.test", version=b"HTTP/1.1", body=b""):
    return b"\r\n".join([b"%b %b %b" % (method, target, version), host, *lines]) + b"\r\n\r\n" + body


FORGED = [
    b"Mesh-Auth-Line: GET /public/x HTTP/1.1", b"mesh-auth-uri: :/public/x", b"MESH-AUTH-PEER: 10.1.1.1", b"Mesh-Auth-Port: 1",
    b"Mesh-Auth-Conf: 00", b"Mesh-Auth-Decision: allow", b"Mesh_Auth_Line: GET /public/x HTTP/1.1", b"Mesh.Auth.Line: GET /public/x HTTP/1.1",
    b"X-Original-URI: /public/x", b"X-Original-Method: GET", b"X-Forwarded-Uri: /public/x", b"X-Real-IP: 10.1.1.1", b"X-Forwarded-For: 10.1.1.1",
    b"Mesh-Auth-Client-Content-Length: 9", b"Mesh-Auth-Client-Host: public.test",
]  # fmt: skip


@pytest.mark.parametrize("forged", FORGED, ids=lambda line: line.split(b":")[0].decode())
def test_nobody_tells_another_request_than_his_own(asked, application, forged):
    client = RawClient(asked.port)
    for target in (b"/other", b"/office"):
        for lines in ([forged], [forged, forged], [forged, b"Connection: " + forged.split(b":")[0]]):
            answer = client.ask(get(target, *lines))
            assert (answer.status, Decided.of(answer).reason) in ((403, "no_rule_matched"), (401, "token_missing"))
    assert client.ask(get(b"/public/x", forged)).status == 200
    assert len(application.requests) == 1
    client.close()


def test_the_place_where_nginx_asks_is_nobody_else_s(asked, application):
    for target in (b"/mesh-auth", b"/./mesh-auth", b"//mesh-auth", b"/%6desh-auth", b"mesh-auth", b"http://h.test/mesh-auth", b"http:mesh-auth"):
        answer = RawClient(asked.port).ask(get(target))
        assert answer.status in (400, 403, 500), target
    assert application.requests == []


def test_identity_is_the_token_s_and_the_token_stays_here(asked, application, key):
    client = RawClient(asked.port)
    spoof = [b"X-User-Email: root@x.test", b"X_User_Email: root@x.test", b"Mesh-Auth-Header-X-User-Email: root@x.test"]
    assert client.ask(get(b"/me/x", bearer(key, email="a\r\nb"), *spoof)).status == 200
    got = application.requests[-1]
    assert got.folded(b"x-user-email") == [b"a%0D%0Ab"] and got.all(b"authorization") == []
    assert client.ask(get(b"/public/x", b"Authorization: Basic dTpw", *spoof)).status == 200
    got = application.requests[-1]
    assert got.folded(b"x-user-email") == [] and got.all(b"authorization") == [b"Basic dTpw"]
    client.close()


def test_challenges_are_those_of_the_module(asked, key):
    answer = asked.request("/orders/1")
    assert answer.status == 401 and answer.all("www-authenticate") == ['Bearer realm="mesh-auth"']
    assert answer.json() == {"code": 401, "message": "Unauthorized"} and answer.header("content-type") == "application/json"
    answer = asked.request("/orders/1", key.token(scope="other"))
    assert answer.status == 403
    assert answer.all("www-authenticate") == ['Bearer realm="mesh-auth", error="insufficient_scope", scope="orders:read"']
    answer = asked.request("/orders//1", key.token())
    assert answer.status == 500 and answer.all("www-authenticate") == [] and answer.json()["code"] == 500


def test_requests_in_one_packet_are_each_decided(asked, application, key):
    token = bearer(key, scope="orders:read", email="a@x.test")
    sent = get(b"/orders/1", token) + get(b"/other") + get(b"/public/x") + get(b"/orders/2") + get(b"/me/2", token, b"Connection: close")
    answers = RawClient(asked.port).ask_all([sent], quiet=5)
    assert [a.status for a in answers] == [200, 403, 200, 401, 200]
    assert [got.target for got in application.requests] == [b"/orders/1", b"/public/x", b"/me/2"]
    assert [got.all(b"x-user-email") for got in application.requests] == [[b"a@x.test"], [], [b"a@x.test"]]


def test_connections_to_the_agent_are_kept_and_never_mixed_up(asked, key):
    client, allowed = RawClient(asked.port), bearer(key, email="a@x.test")
    for i in range(300):
        answer = client.ask(get(b"/me/%d" % i, allowed) if i % 3 else get(b"/me/%d" % i))
        assert answer.status == (200 if i % 3 else 401)
    client.close()
    connections = [fd for fd in os.listdir(f"/proc/{asked.agent.process.pid}/fd") if is_stream(asked.agent.process.pid, fd)]
    assert len(connections) < 40


def is_stream(pid, fd):
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
    except OSError:
        return False


def test_a_body_is_the_application_s_alone(asked, application, key):
    token = bearer(key, scope="orders:write")
    question = get(b"/", b"Mesh-Auth-Line: GET /public/x HTTP/1.1")
    client = RawClient(asked.port)
    for lines, body in (
        ([b"Content-Length: %d" % len(question)], question),
        ([b"Transfer-Encoding: chunked"], b"%x\r\n%b\r\n0\r\n\r\n" % (len(question), question)),
        ([b"Content-Length: 300000"], b"x" * 300000),
    ):
        answer = client.ask(get(b"/orders", token, *lines, method=b"POST", body=body))
        assert answer.status == 200, answer
        assert application.requests[-1].body in (question, b"x" * 300000)
        refused = RawClient(asked.port).ask_all([get(b"/orders", *lines, b"Connection: close", method=b"POST", body=body)], quiet=5)
        assert [a.status for a in refused] == [401]
    assert len(application.requests) == 3
    client.close()


def test_the_method_is_the_client_s(asked, application, key):
    client, token = RawClient(asked.port), bearer(key, scope="orders:read")
    assert client.ask(get(b"/orders/1", token, method=b"HEAD"), "HEAD").status == 200
    assert client.ask(get(b"/orders/1", method=b"HEAD"), "HEAD").status == 401
    assert client.ask(get(b"/orders/1", token, method=b"DELETE")).status == 403
    assert [got.method for got in application.requests] == ["HEAD"]
    client.close()


def test_old_and_absolute_forms_decide_the_same(asked, key):
    def ask(data):
        answers = RawClient(asked.port).ask_all([data], quiet=2)
        return [(a.status, Decided.of(a).reason) for a in answers]

    assert ask(b"GET /public/x HTTP/1.0\r\n\r\n") == [(200, "")]
    assert ask(b"GET /orders/1 HTTP/1.0\r\n\r\n") == [(401, "token_missing")]
    assert ask(get(b"http://h.test/public/x", b"Connection: close")) == [(200, "")]
    assert ask(get(b"http://other.test/public/x", b"Connection: close")) == [(500, "host_mismatch")]
    assert ask(get(b"/public/x", b"Host: h.test", b"Connection: close"))[0][0] in (400, 500)
    assert ask(b"GET /public/x HTTP/1.1\r\n\r\n") == [(400, "")]


def test_a_websocket_is_decided_before_it_is_one(asked, application, key):
    upgrade = [b"Connection: Upgrade", b"Upgrade: websocket"]
    assert RawClient(asked.port).ask(get(b"/ws", *upgrade)).status == 401
    assert application.requests == []
    with socket.create_connection(("127.0.0.1", asked.port), timeout=10) as s:
        s.sendall(get(b"/ws", *upgrade, bearer(key)))
        stream = s.makefile("rb")
        assert read_response(stream).status == 101
        s.sendall(b"echo")
        assert stream.read(4) == b"echo"


def test_a_policy_and_keys_change_without_a_reload(asked, folder, key):
    workers = asked.workers()
    assert asked.request("/public/x").status == 200
    revision = folder.write(provider("okta", key, forward=FORWARD), policy(rules=[OWN]), auth_conf=IDENTITY)
    wait_until(lambda: asked.agent.running(revision), "the swap")
    assert asked.request("/public/x").status == 403
    assert asked.request("/me/x", key.token()).status == 200
    revision = folder.write(provider("okta", forward=FORWARD, jwks={"inline": '{"keys":[]}'}), policy(rules=[OWN]), auth_conf=IDENTITY)
    wait_until(lambda: asked.agent.running(revision), "the keys are gone")
    assert asked.request("/me/x", key.token()).status == 401
    assert asked.workers() == workers


def test_another_auth_conf_is_never_met(asked, folder, key):
    """No nginx is reloaded for it here: the bundle of its own auth.conf goes on, with its headers."""
    revision = folder.write(provider("okta", key), policy(rules=[READ]), auth_conf="proxy_set_header x-other $mesh_auth_subject;")
    wait_until(lambda: asked.agent.running(revision), "the engine has it")
    assert asked.request("/me/x", key.token()).status == 200
    assert asked.request("/public/x").status == 200


def test_without_an_agent_nothing_passes(asked, application, key):
    asked.agent.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: asked.request("/public/x").status == 500, "the agent is silent")  # its threads stop one after the other
    assert asked.request("/public/x").status == 500
    asked.agent.process.send_signal(signal.SIGCONT)
    wait_until(lambda: asked.request("/public/x").status == 200, "the agent answers again")
    count = len(application.requests)
    asked.agent.kill()
    for target in ("/public/x", "/me/x"):
        assert asked.request(target, key.token()).status == 500
    asked.agent.socket.unlink()
    assert asked.request("/public/x").status == 500
    assert len(application.requests) == count
    asked.agent.start()
    wait_until(lambda: asked.request("/public/x").status == 200, "the new agent answers")


def test_without_a_bundle_nothing_passes(root, folder, application):
    nginx = rendered.start(root, folder, application.port, flavour="AuthRequest")
    assert nginx.request("/public/x").status == 500
    assert application.requests == []
    assert nginx.stop() == []


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
                                    b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"])  # fmt: skip
def test_an_answer_that_is_none_is_a_refusal(root, folder, application, answer):
    """Whatever sits at the socket: only a whole 2xx passes."""
    text, ports = rendered.rendered(root, folder, application.port, flavour="AuthRequest")
    (root / "ask").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "ask" / "decide.sock"))
        listener.listen()
        listener.settimeout(10)
        nginx = Nginx(root, text, ports["http1"]).start()
        with nginx.connect() as client:
            client.sendall(b"GET /public/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(answer)
            connection.close()
            assert read_response(client.makefile("rb")).status == 500
        assert application.requests == []
        assert nginx.stop() == []
