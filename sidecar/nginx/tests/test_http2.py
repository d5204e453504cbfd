"""HTTP/2 with prior knowledge, as a port mapped for gRPC speaks it; curl is the client where headers of answers count."""

import subprocess

import pytest

from h2 import H2Client, fields
from harness import free_port
from resources import PUBLIC, READ, policy, provider


@pytest.fixture
def h2(folder, key, start, upstream):
    folder.write(provider("okta", key), policy(rules=[READ, PUBLIC]))
    port = free_port()
    proxied = f"mesh_auth on; proxy_pass http://127.0.0.1:{upstream.port};"
    start(http=f"server {{ listen 127.0.0.1:{port} http2; location / {{ {proxied} }} }}")

    def request(target, *args):
        """Status line, headers and body, as curl prints them."""
        done = subprocess.run(
            ["curl", "-sS", "-i", "--max-time", "10", "--http2-prior-knowledge", f"http://127.0.0.1:{port}{target}", *args],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    request.port = port
    return request


def test_http_2_is_decided_like_http_1(h2, key):
    assert h2("/orders/1").startswith("HTTP/2 401")
    assert h2("/orders//1").startswith("HTTP/2 400")
    assert h2("/public/x").startswith("HTTP/2 200")
    allowed = h2("/orders/1", "-H", f"Authorization: Bearer {key.token(scope='orders:read')}")
    assert allowed.startswith("HTTP/2 200") and '"target": "/orders/1"' in allowed


def test_a_grpc_call_is_refused_with_a_grpc_status(h2, key):
    grpc = ["-X", "POST", "-H", "Content-Type: application/grpc+proto", "-H", "TE: trailers"]
    answer = h2("/orders/1", *grpc)
    assert answer.startswith("HTTP/2 200")
    assert "content-type: application/grpc\n" in answer.replace("\r", "")
    assert "grpc-status: 7\n" in answer.replace("\r", "")  # no rule allows POST, whoever asks
    assert "content-length" not in answer
    with_get = h2("/orders/1", "-H", "Content-Type: application/grpc")
    assert "grpc-status: 16\n" in with_get.replace("\r", "")
    assert 'www-authenticate: Bearer realm="mesh-auth"' in with_get
    assert "grpc-status: 16" in h2("/orders/1", "-H", "Content-Type: Application/gRPC")  # RFC 9110 section 8.3.1


def test_a_refused_grpc_call_ends_with_its_headers_whatever_else_it_sends(h2):
    """nginx takes the answer for complete and resets the stream without an error, which not every curl understands."""
    call = fields(b"/orders/1", (b"content-type", b"application/grpc"), (b"te", b"trailers"), method=b"POST")
    answer = H2Client(h2.port).ask(call, body=b"x" * 1000)
    assert (answer.status, answer.ended, answer.body) == (200, True, b"")


def test_an_http_1_client_that_says_grpc_gets_http_statuses(folder, key, start):
    folder.write(provider("okta", key), policy(rules=[READ]))
    nginx = start()
    assert nginx.request("/orders/1", headers=[("Content-Type", "application/grpc")]).status == 401
