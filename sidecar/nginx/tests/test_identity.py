"""What the application learns about the caller, and what a client cannot make it believe."""

import pytest

from harness import wait_until
from resources import caller, policy, provider

FORWARD = {
    "claims": [
        {"path": ["email"], "header": "X-User-Email"},
        {"path": ["groups"], "header": "X-User-Groups"},
        {"path": ["name"], "header": "X-User-Name"},
    ]
}
# With or without a token; the provider counts since a policy names it.
EVERYONE = {"name": "everyone", "action": "Allow", "from": [{"anyone": True}, caller()]}
AUTH_CONF = """
proxy_set_header x-user-email $mesh_auth_header_x_user_email;
proxy_set_header x-user-groups $mesh_auth_header_x_user_groups;
proxy_set_header x-user-name $mesh_auth_header_x_user_name;
"""


@pytest.fixture
def nginx(folder, key, start):
    folder.write(provider("okta", key, forward=FORWARD), policy(rules=[EVERYONE]), auth_conf=AUTH_CONF)
    return start(http="underscores_in_headers on; ignore_invalid_headers off;")


def test_claims_reach_the_application_as_headers(nginx, key):
    token = key.token(email="alice@x.test", groups=["a,b", "tr\u00e4der", "c d"], name="Al\r\nX-Evil: 1")
    seen = nginx.request("/x", token).upstream_headers()
    assert seen["x-user-email"] == ["alice@x.test"]
    assert seen["x-user-groups"] == ["a%2Cb,tr%C3%A4der,c d"]
    assert seen["x-user-name"] == ["Al%0D%0AX-Evil: 1"]
    assert "x-evil" not in seen


SPELLINGS = ["X-User-Email", "x-user-email", "X_User_Email", "X-User_Email", "x_USER_email"]


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_client_s_own_copy_never_passes(nginx, key, name):
    spoof = [(name, "root@x.test"), (name, "again@x.test"), ("Connection", name), ("X-Other", "stays")]
    seen = nginx.request("/x", headers=spoof).upstream_headers()
    assert [k for k in seen if k.replace("_", "-") == "x-user-email"] == []
    assert seen["x-other"] == ["stays"]
    seen = nginx.request("/x", key.token(email="alice@x.test"), headers=spoof).upstream_headers()
    assert [(k, v) for k, v in seen.items() if k.replace("_", "-") == "x-user-email"] == [("x-user-email", ["alice@x.test"])]


def test_it_never_passes_where_nothing_is_decided_either(folder, key, start, upstream):
    folder.write(provider("okta", key, forward=FORWARD), policy(rules=[EVERYONE]))
    nginx = start(
        http="underscores_in_headers on;",
        server=f"location /off/ {{ mesh_auth off; proxy_pass http://127.0.0.1:{upstream.port}; }}"
        f"location /watch/ {{ mesh_auth observe; proxy_pass http://127.0.0.1:{upstream.port}; }}",
    )
    for target in ("/off/x", "/watch/x"):
        for name in SPELLINGS:
            seen = nginx.request(target, headers=[(name, "root")]).upstream_headers()
            assert [k for k in seen if k.replace("_", "-") == "x-user-email"] == []


def test_without_a_bundle_no_application_gets_what_nobody_looked_at(folder, start, upstream, key, agent):
    """Which headers are identities is told by the bundle."""
    revision = folder.write(provider("okta", key, forward=FORWARD), policy(rules=[EVERYONE]), auth_conf=AUTH_CONF)
    good = folder.revision(revision) / "policy.json"
    kept = good.read_text()
    good.write_text("{}")
    nginx = start(server=f"location /off/ {{ mesh_auth off; proxy_pass http://127.0.0.1:{upstream.port}; }} location /well {{ mesh_auth off; return 204; }}")
    root, before = [("X-User-Email", "root")], len(upstream.requests)
    assert [nginx.request(target, headers=root).status for target in ("/off/x", "/x", "/well")] == [503, 503, 204]
    assert len(upstream.requests) == before
    good.write_text(kept)
    folder.point_to(revision)
    wait_until(lambda: agent.running(revision), "the bundle")
    assert "x-user-email" not in nginx.request("/off/x", headers=root).upstream_headers()


def test_many_headers_survive_the_removal_in_order(nginx):
    headers = [(f"X-H{i}", str(i)) for i in range(60)]
    headers.insert(30, ("X-User-Email", "root"))
    seen = nginx.request("/x", headers=headers).json()["headers"]
    assert [v for k, v in seen if k.startswith("x-h")] == [str(i) for i in range(60)]


def test_the_token_is_passed_on_or_removed(folder, key, start, agent):
    remove = {"token": "Remove"}
    conf = "proxy_set_header authorization $mesh_auth_header_authorization;"
    folder.write(provider("okta", key, forward=remove), policy(rules=[EVERYONE]), auth_conf=conf)
    nginx = start()
    assert "authorization" not in nginx.request("/x", key.token()).upstream_headers()
    basic = [("Authorization", "Basic dTpw")]
    assert nginx.request("/x", headers=basic).upstream_headers()["authorization"] == ["Basic dTpw"]

    keep = folder.write(provider("okta", key), policy(rules=[EVERYONE]), auth_conf=conf)
    wait_until(lambda: agent.running(keep), "the swap")
    token = key.token()
    assert nginx.request("/x", token).upstream_headers()["authorization"] == [f"Bearer {token}"]


def test_a_token_in_a_cookie_is_removed_alone(folder, key, start):
    conf = "proxy_set_header cookie $mesh_auth_header_cookie;"
    spec = {"forward": {"token": "Remove"}, "tokenSources": [{"cookie": "session"}]}
    folder.write(provider("okta", key, **spec), policy(rules=[{"name": "a", "action": "Allow", "from": [caller()]}]), auth_conf=conf)
    nginx = start()
    cookies = [("Cookie", f"a=1; session={key.token()}; b=2")]
    answer = nginx.request("/x", headers=cookies)
    assert answer.status == 200
    assert answer.upstream_headers()["cookie"] == ["a=1; b=2"]
    assert nginx.request("/x", headers=[("Cookie", "a=1")]).status == 401
    assert nginx.request("/x", key.token()).status == 401  # not one of its places


def test_variables_of_claims(folder, key, start):
    folder.write(provider("okta", key), policy(rules=[EVERYONE]))
    nginx = start(location="mesh_auth on; proxy_set_header X-Tier $mesh_auth_claim_my_tier; proxy_set_header X-Sub $mesh_auth_subject;")
    seen = nginx.request("/x", key.token(**{"my-tier": "gold", "sub": "a\nb"})).upstream_headers()
    assert seen["x-tier"] == ["gold"] and seen["x-sub"] == ["a%0Ab"]
    assert "x-tier" not in nginx.request("/x").upstream_headers()


def test_a_traceparent_passes_on_or_is_made(folder, key, start):
    folder.write(provider("okta", key), policy(rules=[EVERYONE]))
    nginx = start(location="mesh_auth on; proxy_set_header traceparent $mesh_auth_traceparent;")
    sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert nginx.request("/x", headers=[("traceparent", sent)]).upstream_headers()["traceparent"] == [sent]
    twice = nginx.request("/x", headers=[("traceparent", sent), ("traceparent", sent)]).upstream_headers()["traceparent"]
    assert len(twice) == 1 and twice[0][3:35] != sent[3:35]  # which of them counts would be a guess
    made = [nginx.request("/x").upstream_headers()["traceparent"][0] for _ in range(2)]
    assert made[0] != made[1] and all(len(m) == 55 for m in made)
    assert [line["trace_id"] for line in wait_until(nginx.access_lines, "lines")][0] == sent[3:35]
