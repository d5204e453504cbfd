"""What is rendered for NGINX Plus. We have none, so three things stand for it: the files are what is kept in testdata, a
parser of nginx's own makers takes them, and their maps, in a stock nginx that is told the claims in headers, let pass what
`meshauthctl decide` allows and nothing else. UPDATE_GOLDEN=1 writes what is kept.

Whether auth_jwt itself refuses what it must is NGINX Plus's own."""

import json
import os
import re
import subprocess
from itertools import product

import crossplane
import pytest
from crossplane import analyzer

from harness import BUILD, REPOSITORY, Nginx, free_port

DATA = REPOSITORY / "sidecar" / "nginx" / "tests" / "testdata" / "plus"
MESHAUTHCTL = BUILD / "bin" / "meshauthctl"
NAMES = ["http.conf", "keys.json", "location.conf"]
# Of R33, and newer than the parser's list.
NEWER = {"auth_jwt_type", "auth_jwt_require"}

CLAIMS = [
    {},
    {"scp": "orders:read"},
    {"scp": "openid orders:read x"},
    {"scp": "orders:reader"},
    {"scp": "xorders:read"},
    {"scp": "ORDERS:READ"},
    {"scp": "everything"},
    {"sub": "svc-a", "cid": "web"},
    {"sub": "svc-", "cid": "web"},
    {"sub": "svc-a", "cid": "WEB"},
    {"sub": "xsvc-a", "cid": "web"},
    {"sub": "svc-a"},
]
TARGETS = ["/", "/orders", "/orders/", "/orders/1", "/orders/1?x=/../y", "/orders/1/2", "/ordersx", "/Orders", "/users/7/orders"]
TARGETS += ["/users//orders", "/users/7/orders/", "/users/7/8/orders", "/orders/internal", "/orders/internal/x", "/orders/internalx"]
TARGETS += ["/admin", "/admin/x", "/administrator", "/orders/../admin", "/orders/..", "/orders/./x", "/orders/...", "/orders//x", "/orders;x"]
TARGETS += ["/orders/a;b", "/orders?/admin", "/orders/internal?x", "/any"]
TARGETS += [f"http://orders.test{rest}" for rest in ("", "?x", "/", "/?x", "/orders/1", "/admin", "?/admin")]
# A client may spell what is plain in another way: that is decided, and refused for NGINX Plus.
SPELLED = ["/orders/a|b", "/orders/%31", "/%6frders/1", "/orders/%69nternal", "/orders/a%20b", "/orders/1%2F2", "/orders/%2e%2e/x"]


def render(folder, *more, code=0):
    done = subprocess.run([MESHAUTHCTL, "render", "-f", DATA / "in.yaml", "--flavour", "NginxPlus", "-o", folder, *more], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return folder / "shop" / "orders"


@pytest.fixture
def made(root):
    return render(root / "out")


def test_the_files_are_what_is_kept(made):
    assert sorted(file.name for file in made.iterdir()) == NAMES
    for name in NAMES:
        kept = DATA / "want" / name
        if os.environ.get("UPDATE_GOLDEN"):
            kept.parent.mkdir(exist_ok=True)
            kept.write_text((made / name).read_text())
        assert (made / name).read_text() == kept.read_text(), name


def directives(blocks):
    for block in blocks:
        yield block["directive"]
        if block["directive"] != "map":  # in a map stand values
            yield from directives(block.get("block", []))


def test_a_parser_of_nginx_takes_them_and_knows_every_directive(made):
    conf = made / "nginx.conf"
    conf.write_text("events {} http { include http.conf; server { listen 80; location / { include location.conf; proxy_pass http://127.0.0.1:8080; } } }")
    parsed = crossplane.parse(str(conf), comments=False)
    assert (parsed["status"], parsed["errors"]) == ("ok", [])
    for config in parsed["config"]:
        for name in directives(config["parsed"]):
            assert name in analyzer.DIRECTIVES or name in NEWER, name
    location = next(c for c in parsed["config"] if c["file"].endswith("location.conf"))["parsed"]
    assert [d["args"] for d in location if d["directive"] == "auth_jwt_require"][-1] == ["$mesh_auth_allowed", "error=403"]


def stock(root, made):
    """A stock nginx with the maps; what NGINX Plus would read of a token it is told in headers."""
    http, names = (made / "http.conf").read_text(), []

    def told(match):
        names.append((match[1], match[2]))
        return f"map $http_x_{match[2]} ${match[1]} {{ default $http_x_{match[2]}; }}"

    http = re.sub(r"auth_jwt_claim_set \$(\w+) (\w+);", told, http)
    for name in ("alg", "typ"):
        http += f"map $http_x_{name} $jwt_header_{name} {{ default $http_x_{name}; }}\n"
    valid = re.search(r"auth_jwt_require ((?:\$\w+ ?)+);", (made / "location.conf").read_text())[1]
    port = free_port()
    paths = " ".join(f"{kind}_temp_path {root}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""
    conf = f"""{user} worker_processes 1; pid {root}/nginx.pid; events {{}}
      http {{ {paths} access_log off; merge_slashes off; {http}
        server {{ listen 127.0.0.1:{port}; default_type text/plain; location / {{ return 200 "$mesh_auth_allowed {valid}\\n"; }} }} }}"""
    return Nginx(root, conf, port).start()


def ask(nginx, method, target, claims, host="orders.test", **more):
    told = {"iss": "https://dev-1.okta.test/oauth2/default", "aud": "api://orders", "exp": "9", "alg": "ES256", "typ": "JWT", **claims, **more}
    answer = nginx.request(target, method=method, host=host, headers=[(f"X-{name}", value) for name, value in told.items() if value])
    return None if answer.status == 400 else answer.body.decode().split()


def decide(method, target, claims, host="orders.test"):
    done = subprocess.run(
        [MESHAUTHCTL, "decide", "-f", DATA / "in.yaml", "--workload", "shop/orders", "--provider", "shop/okta", "--claims", "/dev/stdin",
         "--method", method, "--path", target, "--host", host, "--port", "8080"],
        input=json.dumps(claims), capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return json.loads(done.stdout)["decision"] == "allow"


def test_the_maps_decide_as_we_do(root, made):
    nginx, allowed = stock(root, made), 0
    for (claims, target), method in product(product(CLAIMS, TARGETS), ["GET", "POST"]):
        if method == "POST" and len(claims) != 1:
            continue  # enough
        said = ask(nginx, method, target, claims)
        want = decide(method, target, claims)
        assert (said is not None and said[0] == "1") == want, (method, target, claims, said)
        allowed += want
    assert allowed > 20
    for target in SPELLED:
        said = ask(nginx, "GET", target, {"scp": "orders:read"})
        assert said is None or said[0] == "0", target
    assert nginx.stop() == []


HOSTS = ["orders.test", "api.orders.test", "API.Orders.Test", "api.orders.test.", "api.orders.test:8080", "api.orders.test.:80", "xapi.orders.test"]
HOSTS += ["api.orders.test.evil", "wild.test", "a.wild.test", "a.b.WILD.test", "awild.test", ".wild.test", "a..wild.test", "a.wild.test:65536"]
HOSTS += ["public.test", "a.public.test", "shop.test", "SHOP.test:1", "blocked.test", "blocked.test.", "Blocked.test:443", "a.blocked.test"]
HOSTS += ["a_b.wild.test", "a%2e.wild.test", "a;b.wild.test", "127.0.0.1", "api.orders.test:", f"{'a' * 64}.wild.test", f"{'a.' * 130}wild.test"]
# What is refused though it would be decided: an address.
ADDRESSES = ["[::1]", "[::1]:80"]


def test_the_maps_tell_hosts_as_we_do(root, made):
    nginx, reader, allowed = stock(root, made), {"scp": "orders:read"}, 0
    for host, target in product(HOSTS, ["/hosted/1", "/inner/1", "/orders/1"]):
        said, want = ask(nginx, "GET", target, reader, host), decide("GET", target, reader, host)
        assert (said is not None and said[0] == "1") == want, (host, target, said)
        allowed += want
    assert allowed > 20
    for host, target in product(ADDRESSES, ["/hosted/1", "/inner/1", "/orders/1"]):
        assert ask(nginx, "GET", target, reader, host)[0] == "0"
    two = [("api.orders.test", "orders.test"), ("orders.test", "api.orders.test"), ("a.wild.test", "b.wild.test"), ("shop.test", "other.test"), ("blocked.test", "orders.test"), ("orders.test", "blocked.test")]
    for named, host in two:
        for target in ("/hosted/1", "/inner/1", "/orders/1"):
            said = ask(nginx, "GET", f"http://{named}{target}", reader, host)
            assert said is None or said[0] == "0", (named, host, target)
    assert ask(nginx, "GET", "http://a.wild.test/hosted/1", reader, "A.wild.test.:80")[0] == "1"
    assert nginx.stop() == []


TOKENS = [
    ({}, "11111"),
    ({"alg": "RS256", "typ": "application/at+jwt"}, "11111"),
    ({"typ": None}, "11111"),
    ({"alg": "es256"}, "01111"),
    ({"alg": "none"}, "01111"),
    ({"alg": "HS256"}, "01111"),
    ({"typ": "logout+jwt"}, "10111"),
    ({"iss": "https://dev-1.okta.test/oauth2/default/"}, "11011"),
    ({"iss": "https://dev-1xokta.test/oauth2/default"}, "11011"),
    ({"iss": "HTTPS://dev-1.okta.test/oauth2/default"}, "11011"),
    ({"iss": None}, "11011"),
    ({"aud": "api://orders,api://other"}, "11101"),  # a list: refused, since a comma may be part of one
    ({"aud": "api://Orders"}, "11101"),
    ({"aud": None}, "11101"),
    ({"exp": None}, "11110"),
]


def test_what_makes_a_token_one_of_the_provider_s(root, made):
    nginx = stock(root, made)
    for more, want in TOKENS:
        assert "".join(ask(nginx, "GET", "/orders", {"scp": "orders:read"}, **more)[1:]) == want, more
    assert nginx.stop() == []


def test_what_cannot_be_said_makes_no_files(root):
    folder = root / "out"
    more = root / "more.yaml"
    more.write_text(
        "apiVersion: meshauth.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: open, namespace: shop}\n"
        "spec: {workloads: [orders], rules: [{name: any, action: Allow, from: [{anyone: true}]}]}\n"
    )
    done = subprocess.run([MESHAUTHCTL, "render", "-f", DATA / "in.yaml", "-f", more, "--flavour", "NginxPlus", "-o", folder], capture_output=True, text=True)
    assert done.returncode == 1
    assert "shop/orders: AccessPolicy shop/open, rule any, from.anyone: auth_jwt always asks for a token; leave it out, or use flavour" in done.stderr
    assert not folder.exists()
