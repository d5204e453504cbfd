"""Every leaf of the resources' spec does something: for each there is a pair of cases that differ only in it and end
differently. A leaf without a pair fails, and so does a pair whose leaf is gone.

Most pairs are decided offline, by the engine that nginx runs (`meshauthctl decide`); what only shows in a running mesh
(fetching, forwarding, rotation) is in the tests that are marked with the leaf.
"""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from harness import tools
from harness.bad_idp import BadIdp, SigningKey
from harness.resources import ANYONE, caller, rule
from harness.wait import await_until

PROVIDER = {"issuer": "https://issuer.example", "audiences": ["api://orders"]}
FROM = caller()


def leaves(schema: dict[str, Any], path: str) -> Iterator[str]:
    """Paths like spec.rules[].from[].subjects[] of what holds no further fields."""
    if "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from leaves(inner, f"{path}.{name}")
    elif schema["type"] == "array":
        yield from leaves(schema["items"], path + "[]")
    elif "additionalProperties" in schema:
        yield path + "{}"
    else:
        yield path


def schema_leaves() -> set[str]:
    found = set()
    for plural, prefix in (("identityproviders", "idprov"), ("accesspolicies", "accpol")):
        crd = yaml.safe_load((tools.REPO / "crds" / f"meshauth.dev_{plural}.yaml").read_text())
        root = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        found |= {f"{prefix}.{leaf}" for leaf in leaves(root["properties"]["spec"], "spec")}
    return found


@dataclass
class Case:
    """What a pair has in common. `at` names what differs: a path into {"idp": spec, "pol": spec}."""

    at: tuple[Any, ...]
    pair: tuple[Any, Any]
    want: tuple[str, str]  # status and reason or rule, as `200/read` or `401/audience_mismatch`
    idp: dict[str, Any] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=lambda: [rule("read", FROM)])
    pol: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] | None = field(default_factory=dict)  # None: no token
    headers: dict[str, Any] = field(default_factory=dict)  # of the token
    request: list[str] = field(default_factory=list)  # further flags of decide
    method: str = "GET"
    path: str = "/"
    place: str | None = None  # how the token is sent: a header line with {} in it
    idp_namespace: str = "shop"
    labels: dict[str, str] = field(default_factory=dict)  # of namespace shop


def _from(*path: Any) -> tuple[Any, ...]:
    return ("pol", "rules", 0, "from", 0, *path)


def _to(*path: Any) -> tuple[Any, ...]:
    return ("pol", "rules", 0, "to", 0, *path)


def _rule(**fields: Any) -> list[dict[str, Any]]:
    return [rule("read", fields.pop("caller", FROM), **fields)]


def _claims_of(**entry: Any) -> list[dict[str, Any]]:
    """A rule whose caller must show this claim."""
    return _rule(caller=caller(claims=[{"path": ["tier"], "operator": "In", "values": ["gold"], **entry}]))


_NOBODY = "403/no_rule_matched"
_SHARED = {"allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}}
_EXPRESSION = {"key": "team", "operator": "In", "values": ["a"]}
_SELECTOR = {"allowedNamespaces": {"from": "Selector", "selector": {"matchExpressions": [_EXPRESSION]}}}
_SELECTOR_AT = ("idp", "allowedNamespaces", "selector")
_ELSEWHERE = {"idp_namespace": "idps", "labels": {"team": "a"}, "rules": _rule(caller=caller(namespace="idps"))}
_SCOPED = _rule(caller=caller(scopes={"all": ["orders:read"]}))

OFFLINE: dict[str, Case] = {
    # --- IdentityProvider
    "idprov.spec.profile": Case(
        ("idp", "profile"), ("dex", "keycloak"), (_NOBODY, "200/read"),
        rules=_rule(caller=caller(roles={"any": ["admin"]})), claims={"typ": "Bearer", "realm_access": {"roles": ["admin"]}}, headers={"typ": "JWT"},
    ),
    "idprov.spec.issuer": Case(("idp", "issuer"), ("https://issuer.example", "https://other.example"), ("200/read", "401/issuer_unknown")),
    "idprov.spec.issuerAliases[]": Case(("idp", "issuerAliases"), (["alias.example"], ["other.example"]), ("200/read", "401/issuer_unknown"), claims={"iss": "alias.example"}),
    "idprov.spec.audiences[]": Case(("idp", "audiences"), (["api://orders"], ["api://other"]), ("200/read", "401/audience_mismatch")),
    "idprov.spec.audienceClaim[]": Case(("idp", "audienceClaim"), (["client_id"], ["aud"]), ("200/read", "401/audience_mismatch"), claims={"aud": None, "client_id": "api://orders"}),
    "idprov.spec.allowedNamespaces.from": Case(("idp", "allowedNamespaces"), ({"from": "All"}, {"from": "Same"}), ("200/read", _NOBODY), **_ELSEWHERE),
    "idprov.spec.allowedNamespaces.selector.matchLabels{}": Case((*_SELECTOR_AT, "matchLabels", "team"), ("a", "b"), ("200/read", _NOBODY), idp=_SHARED, **_ELSEWHERE),
    "idprov.spec.allowedNamespaces.selector.matchExpressions[].key": Case((*_SELECTOR_AT, "matchExpressions", 0, "key"), ("team", "group"), ("200/read", _NOBODY), idp=_SELECTOR, **_ELSEWHERE),
    "idprov.spec.allowedNamespaces.selector.matchExpressions[].operator": Case((*_SELECTOR_AT, "matchExpressions", 0, "operator"), ("In", "NotIn"), ("200/read", _NOBODY), idp=_SELECTOR, **_ELSEWHERE),
    "idprov.spec.allowedNamespaces.selector.matchExpressions[].values[]": Case((*_SELECTOR_AT, "matchExpressions", 0, "values"), (["a"], ["b"]), ("200/read", _NOBODY), idp=_SELECTOR, **_ELSEWHERE),
    "idprov.spec.algorithms[]": Case(("idp", "algorithms"), (["RS256"], ["ES256"]), ("200/read", "401/alg_not_allowed")),
    "idprov.spec.tokenTypes[]": Case(("idp", "tokenTypes"), (["JWT"], ["at+jwt"]), ("200/read", "401/typ_not_allowed"), headers={"typ": "JWT"}),
    "idprov.spec.requiredClaims[].path[]": Case(("idp", "requiredClaims", 0, "path"), (["use"], ["purpose"]), ("200/read", "401/claim_required"), idp={"requiredClaims": [{"path": ["use"], "operator": "In", "values": ["access"]}]}, claims={"use": "access"}),
    "idprov.spec.requiredClaims[].operator": Case(("idp", "requiredClaims", 0, "operator"), ("In", "NotIn"), ("200/read", "401/claim_required"), idp={"requiredClaims": [{"path": ["use"], "operator": "In", "values": ["access"]}]}, claims={"use": "access"}),
    "idprov.spec.requiredClaims[].values[]": Case(("idp", "requiredClaims", 0, "values"), (["access"], ["id"]), ("200/read", "401/claim_required"), idp={"requiredClaims": [{"path": ["use"], "operator": "In", "values": ["access"]}]}, claims={"use": "access"}),
    "idprov.spec.clockSkew": Case(("idp", "clockSkew"), ("2m", "10s"), ("200/read", "401/expired"), claims={"lifetime": -60}),
    "idprov.spec.maxTokenLifetime": Case(("idp", "maxTokenLifetime"), ("1h", "5m"), ("200/read", "401/lifetime_too_long")),
    "idprov.spec.tokenSources[].header": Case(("idp", "tokenSources"), ([{"header": "X-Token"}], [{"header": "X-Other"}]), ("200/read", "401/token_missing"), place="X-Token: {}"),
    "idprov.spec.tokenSources[].scheme": Case(("idp", "tokenSources"), ([{"header": "Authorization", "scheme": "JWT"}], [{"header": "Authorization", "scheme": "Bearer"}]), ("200/read", "401/token_missing"), place="Authorization: JWT {}"),
    "idprov.spec.tokenSources[].cookie": Case(("idp", "tokenSources"), ([{"cookie": "session"}], [{"cookie": "other"}]), ("200/read", "401/token_missing"), place="Cookie: session={}"),
    "idprov.spec.claimMappings.subject.path[]": Case(("idp", "claimMappings"), ({"subject": {"path": ["uid"]}}, {"subject": {"path": ["sub"]}}), ("200/read", _NOBODY), rules=_rule(caller=caller(subjects=["ann"])), claims={"uid": "ann"}),
    "idprov.spec.claimMappings.client[].path[]": Case(("idp", "claimMappings"), ({"client": [{"path": ["app"]}]}, {"client": [{"path": ["azp"]}]}), ("200/read", _NOBODY), rules=_rule(caller=caller(clients=["web"])), claims={"app": "web"}),
    "idprov.spec.claimMappings.scopes[].path[]": Case(("idp", "claimMappings"), ({"scopes": [{"path": ["rights"]}]}, {"scopes": [{"path": ["scope"]}]}), ("200/read", "403/scope_insufficient"), rules=_SCOPED, claims={"rights": "orders:read"}),
    "idprov.spec.claimMappings.groups[].path[]": Case(("idp", "claimMappings"), ({"groups": [{"path": ["teams"]}]}, {"groups": [{"path": ["groups"]}]}), ("200/read", _NOBODY), rules=_rule(caller=caller(groups={"any": ["a"]})), claims={"teams": ["a"]}),
    "idprov.spec.claimMappings.roles[].path[]": Case(("idp", "claimMappings"), ({"roles": [{"path": ["realm", "roles"]}]}, {"roles": [{"path": ["roles"]}]}), ("200/read", _NOBODY), rules=_rule(caller=caller(roles={"any": ["a"]})), claims={"realm": {"roles": ["a"]}}),
    # --- AccessPolicy
    "accpol.spec.workloads[]": Case(("pol", "workloads"), (["orders"], ["other"]), ("200/read", "403/no_policy"), claims=None, rules=[rule("read", ANYONE)]),
    "accpol.spec.mode": Case(("pol", "mode"), ("Enforce", "Audit"), ("200/read", "403/no_policy"), claims=None, rules=[rule("read", ANYONE)]),
    "accpol.spec.rules[].name": Case(("pol", "rules", 0, "name"), ("read", "other"), ("200/read", "200/other")),
    "accpol.spec.rules[].action": Case(("pol", "rules", 0, "action"), ("Allow", "Deny"), ("200/read", "403/denied_by_rule")),
    "accpol.spec.rules[].from[].identityProvider.name": Case(_from("identityProvider", "name"), ("idp", "other"), ("200/read", _NOBODY)),
    "accpol.spec.rules[].from[].identityProvider.namespace": Case(_from("identityProvider"), ({"name": "idp", "namespace": "shop"}, {"name": "idp", "namespace": "bank"}), ("200/read", _NOBODY)),
    "accpol.spec.rules[].from[].anyone": Case(_from(), (ANYONE, FROM), ("200/read", "401/token_missing"), claims=None),
    "accpol.spec.rules[].from[].subjects[]": Case(_from("subjects"), (["u*"], ["v*"]), ("200/read", _NOBODY)),
    "accpol.spec.rules[].from[].clients[]": Case(_from("clients"), (["web"], ["app"]), ("200/read", _NOBODY), claims={"client_id": "web"}),
    "accpol.spec.rules[].to[].methods[]": Case(_to("methods"), (["GET"], ["POST"]), ("200/read", _NOBODY), rules=_rule(to=[{"methods": ["GET"]}])),
    "accpol.spec.rules[].to[].notMethods[]": Case(_to("notMethods"), (["POST"], ["GET"]), ("200/read", _NOBODY), rules=_rule(to=[{"notMethods": ["GET"]}])),
    "accpol.spec.rules[].to[].paths[]": Case(_to("paths"), (["/a/**"], ["/b/**"]), ("200/read", _NOBODY), path="/a/b", rules=_rule(to=[{"paths": ["/a"]}])),
    "accpol.spec.rules[].to[].notPaths[]": Case(_to("notPaths"), (["/b/**"], ["/a/**"]), ("200/read", _NOBODY), path="/a/b", rules=_rule(to=[{"notPaths": ["/a"]}])),
    "accpol.spec.rules[].to[].hosts[]": Case(_to("hosts"), (["*.example.com"], ["example.org"]), ("200/read", _NOBODY), request=["--host=A.example.com:80"], rules=_rule(to=[{"hosts": ["x.org"]}])),
    "accpol.spec.rules[].to[].notHosts[]": Case(_to("notHosts"), (["example.org"], ["*.example.com"]), ("200/read", _NOBODY), request=["--host=a.example.com"], rules=_rule(to=[{"notHosts": ["x.org"]}])),
    "accpol.spec.rules[].to[].ports[]": Case(_to("ports"), ([8080], [9090]), ("200/read", _NOBODY), request=["--port=8080"], rules=_rule(to=[{"ports": [1]}])),
    "accpol.spec.rules[].to[].notPorts[]": Case(_to("notPorts"), ([9090], [8080]), ("200/read", _NOBODY), request=["--port=8080"], rules=_rule(to=[{"notPorts": [1]}])),
    "accpol.spec.rules[].when[].pathVariable": Case(("pol", "rules", 0, "when", 0, "pathVariable"), ("id", "part"), ("200/read", _NOBODY), path="/users/u1/mail", rules=_rule(to=[{"paths": ["/users/{id}/{part}"]}], when=[{"pathVariable": "id", "equalsClaim": ["sub"]}])),
    "accpol.spec.rules[].when[].equalsClaim[]": Case(("pol", "rules", 0, "when", 0, "equalsClaim"), (["sub"], ["tier"]), ("200/read", _NOBODY), path="/users/u1", claims={"tier": "gold"}, rules=_rule(to=[{"paths": ["/users/{id}"]}], when=[{"pathVariable": "id", "equalsClaim": ["sub"]}])),
    "accpol.spec.rules[].when[].sourceIPs[]": Case(("pol", "rules", 0, "when", 0, "sourceIPs"), (["10.0.0.0/8"], ["192.168.0.0/16"]), ("200/read", _NOBODY), request=["--source=10.1.2.3"], rules=_rule(when=[{"sourceIPs": ["::1/128"]}])),
    "accpol.spec.rules[].when[].header": Case(("pol", "rules", 0, "when", 0, "header"), ("X-Tenant", "X-Other"), ("200/read", _NOBODY), request=["--header=X-Tenant: a"], rules=_rule(when=[{"header": "X-Tenant", "values": ["a"]}])),
    "accpol.spec.rules[].when[].values[]": Case(("pol", "rules", 0, "when", 0, "values"), (["a"], ["b"]), ("200/read", _NOBODY), request=["--header=X-Tenant: a"], rules=_rule(when=[{"header": "X-Tenant", "values": ["a"]}])),
    "accpol.spec.rules[].from[].claims[].path[]": Case(_from("claims", 0, "path"), (["tier"], ["level"]), ("200/read", _NOBODY), claims={"tier": "gold"}, rules=_claims_of()),
    "accpol.spec.rules[].from[].claims[].operator": Case(_from("claims", 0, "operator"), ("In", "NotIn"), ("200/read", _NOBODY), claims={"tier": "gold"}, rules=_claims_of()),
    "accpol.spec.rules[].from[].claims[].values[]": Case(_from("claims", 0, "values"), (["gold"], ["silver"]), ("200/read", _NOBODY), claims={"tier": "gold"}, rules=_claims_of()),
}
for _list, _claims, _refused in (
    ("scopes", {"scope": "a b"}, "403/scope_insufficient"),
    ("groups", {"groups": ["a", "b"]}, _NOBODY),
    ("roles", {"roles": ["a", "b"]}, _NOBODY),
):
    for _how, _pair in (("all", (["a", "b"], ["a", "c"])), ("any", (["a", "c"], ["c", "d"]))):
        OFFLINE[f"accpol.spec.rules[].from[].{_list}.{_how}[]"] = Case(
            _from(_list), ({_how: _pair[0]}, {_how: _pair[1]}), ("200/read", _refused), claims=_claims,
            idp={"claimMappings": {"roles": [{"path": ["roles"]}]}} if _list == "roles" else {},
        )

# Leaves that only show in a running mesh: the test below that shows each.
LIVE = {
    "idprov.spec.discovery.url": "test_discovery_url",
    "idprov.spec.jwks.uri": "test_jwks_uri",
    "idprov.spec.jwks.inline": "test_jwks_inline",
    "idprov.spec.tls.caBundle": "test_ca_bundle",
    "idprov.spec.forward.claims[].path[]": "test_forward",
    "idprov.spec.forward.claims[].header": "test_forward",
    "idprov.spec.forward.token": "test_forward",
    "idprov.spec.rotation.refreshInterval": "test_refresh_interval",
    "idprov.spec.rotation.minRefetchInterval": "test_min_refetch_interval",
    "idprov.spec.rotation.overlap": "test_overlap",
    "idprov.spec.rotation.maxStale": "test_max_stale",
}


def test_every_leaf_has_a_pair():
    shown = set(OFFLINE) | set(LIVE)
    assert schema_leaves() - shown == set(), "these fields of the schema have no pair of cases"
    assert shown - schema_leaves() == set(), "these pairs are of no field of the schema"
    assert all(callable(globals().get(name)) for name in LIVE.values())


@pytest.fixture(scope="module")
def signer(authority):
    provider = BadIdp(authority)
    yield provider
    provider.close()


def _put(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    for step in path[:-1]:
        tree = tree.setdefault(step, {}) if isinstance(tree, dict) else tree[step]
    tree[path[-1]] = value


def _decide(case: Case, value: Any, signer: BadIdp, folder) -> str:
    specs = {"idp": {**PROVIDER, **copy.deepcopy(case.idp)}, "pol": {"rules": copy.deepcopy(case.rules), **case.pol}}
    _put(specs, case.at, value)
    documents = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": case.labels}},
        _object("IdentityProvider", "idp", case.idp_namespace, specs["idp"]),
        _object("AccessPolicy", "p", "shop", specs["pol"]),
    ]
    (folder / "resources.yaml").write_text(yaml.safe_dump_all(documents))
    (folder / "jwks.json").write_text(json.dumps(signer.jwks()))
    argv = [str(tools.program("meshauthctl")), "decide", "-f", str(folder / "resources.yaml"), "--workload=shop/orders"]
    argv += [f"--method={case.method}", f"--path={case.path}", f"--jwks={folder / 'jwks.json'}", *case.request]
    if case.claims is not None:
        claims = {"iss": PROVIDER["issuer"], **case.claims}
        if lifetime := claims.pop("lifetime", None):
            claims["exp"] = signer.claims()["iat"] + lifetime
            claims["iat"] = claims["exp"] - 300
        token = signer.token(headers=case.headers, **claims)
        argv.append("--header=" + (case.place or "Authorization: Bearer {}").format(token))
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 3), f"{argv}\n{done.stdout}{done.stderr}"
    answer = json.loads(done.stdout)
    return f"{answer['status']}/{answer['rule'] if answer['decision'] == 'allow' else answer['reason']}"


def _object(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "meshauth.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


@pytest.mark.parametrize("leaf", sorted(OFFLINE))
def test_two_cases_that_differ_only_in_the_leaf_end_differently(leaf, signer, tmp_path):
    case = OFFLINE[leaf]
    assert case.want[0] != case.want[1]
    ends = tuple(_decide(case, value, signer, tmp_path) for value in case.pair)
    assert ends == case.want


# --- in a running mesh

live = [pytest.mark.operator, pytest.mark.sidecar]


def _fresh(mesh, name: str) -> dict[str, Any]:
    """status.conditions[KeysFresh] once it is known."""

    def known() -> dict[str, Any]:
        status = mesh.ns.get("identityprovider", name).get("status", {})
        found = {c["type"]: c for c in status.get("conditions", [])}
        assert found.get("KeysFresh", {}).get("status") in ("True", "False"), found
        return found["KeysFresh"]

    return await_until(f"KeysFresh of {name} is known", known)


def test_discovery_url(mesh, bad_idp):
    for name, path in (("right", "/.well-known/openid-configuration"), ("wrong", "/nowhere")):
        mesh.provider(bad_idp, name, discovery={"url": bad_idp.issuer + path})
    assert (_fresh(mesh, "right")["status"], _fresh(mesh, "wrong")["status"]) == ("True", "False")


def test_jwks_uri(mesh, bad_idp):
    for name, path in (("right", "/jwks"), ("wrong", "/nowhere")):
        mesh.provider(bad_idp, name, jwks={"uri": bad_idp.issuer + path})
    assert (_fresh(mesh, "right")["status"], _fresh(mesh, "wrong")["status"]) == ("True", "False")


def test_jwks_inline(mesh, bad_idp):
    orders = mesh.sidecar("orders")
    mesh.policy("all", rule("all", caller()))
    for keys, status in (({"keys": [SigningKey("other").jwk()]}, 401), (bad_idp.jwks(), 200)):
        spec = {"issuer": bad_idp.issuer, "audiences": ["api://orders"], "jwks": {"inline": json.dumps(keys)}}
        mesh.ns.accepts(_object("IdentityProvider", "idp", mesh.ns.name, spec))
        orders.await_answer(status, token=bad_idp.token())


def test_ca_bundle(mesh, bad_idp, workdir):
    from harness import pki

    stranger = pki.Authority(workdir / f"stranger-{mesh.ns.name}", "a stranger")
    for name, bundle in (("right", bad_idp.authority.pem), ("wrong", stranger.pem)):
        mesh.provider(bad_idp, name, tls={"caBundle": bundle})
    assert _fresh(mesh, "right")["status"] == "True"
    assert _fresh(mesh, "wrong")["reason"] == "TlsFailed"


def test_forward(mesh, bad_idp):
    orders = mesh.sidecar("orders")
    mesh.policy("all", rule("all", caller()))
    token = bad_idp.token(email="u@example.com", team="blue")

    def headers(**forward: Any) -> dict[str, str]:
        mesh.provider(bad_idp, forward=forward)
        mesh.ns.await_condition("accesspolicy", "all", "Programmed")
        return dict(orders.await_answer(200, token=token).json()["headers"])

    claim = {"path": ["email"], "header": "X-User"}
    await_until("the claim is forwarded", lambda: headers(claims=[claim]).get("x-user") == "u@example.com")
    await_until("another claim is", lambda: headers(claims=[{**claim, "path": ["team"]}]).get("x-user") == "blue")
    await_until("under another name", lambda: headers(claims=[{**claim, "header": "X-Mail"}]).get("x-mail"))
    await_until("the token is kept", lambda: "authorization" in headers(token="Keep"))
    await_until("the token is removed", lambda: "authorization" not in headers(token="Remove"))


def test_refresh_interval(mesh, bad_idp):
    fetched = {}
    for name, interval in (("quick", "10s"), ("slow", "10m")):
        mesh.provider(
            bad_idp, name, discovery={"url": f"{bad_idp.issuer}/.well-known/openid-configuration?{name}"},
            rotation={"refreshInterval": interval, "minRefetchInterval": "1s"},
        )
        mesh.ready("identityprovider", name)
        fetched[name] = mesh.ns.get("identityprovider", name)["status"]["lastFetchTime"]

    def again(name: str) -> bool:
        return mesh.ns.get("identityprovider", name)["status"]["lastFetchTime"] != fetched[name]

    await_until("the quick one is fetched again", lambda: again("quick"), 30)
    assert not again("slow")


def test_min_refetch_interval(mesh, bad_idp):
    """A kid that nobody knows makes a fetch, no sooner than the interval allows."""
    orders = mesh.sidecar("orders")
    mesh.policy("all", rule("all", caller("quick"), caller("slow")))
    counts = {}
    for name, interval in (("quick", "1s"), ("slow", "10m")):
        mesh.provider(
            bad_idp, name, jwks={"uri": f"{bad_idp.issuer}/jwks?{name}"},
            rotation={"refreshInterval": "10m", "minRefetchInterval": interval},
        )
        mesh.ready("identityprovider", name)
        counts[name] = mesh.ns.get("identityprovider", name)["status"]["lastFetchTime"]
    orders.await_answer(200, token=bad_idp.token())
    bad_idp.keys.append(SigningKey("new"))

    def fetched(name: str) -> bool:
        orders.ask(token=bad_idp.token(key=bad_idp.keys[-1]))
        return mesh.ns.get("identityprovider", name)["status"]["lastFetchTime"] != counts[name]

    await_until("the quick source is fetched again", lambda: fetched("quick"), 15)
    assert not fetched("slow")


def test_overlap(mesh, own_oidc):
    orders = mesh.sidecar("orders")
    mesh.policy("all", rule("all", caller()))
    for overlap, status in (("1h", 200), ("0s", 401)):
        mesh.provider(own_oidc, rotation={"refreshInterval": "10s", "minRefetchInterval": "1s", "overlap": overlap})
        before = own_oidc.token("alice")
        orders.await_answer(200, token=before)
        own_oidc.replace()
        orders.await_answer(200, token=own_oidc.token("alice"), within=30)
        orders.await_answer(status, token=before)


def test_max_stale(mesh, bad_idp):
    """What sidecars are told: past it this provider's tokens are answered 503 (core/engine's tests turn the clock)."""
    mesh.policy("all", rule("all", caller()))
    mesh.sidecar("orders")
    found = []
    for stale in ("1h", "2h"):
        mesh.provider(bad_idp, rotation={"refreshInterval": "10s", "minRefetchInterval": "1s", "maxStale": stale})
        mesh.ns.await_condition("accesspolicy", "all", "Programmed")

        def told() -> list[int]:
            record = mesh.ns.await_exists("configmap", "mesh-auth-orders")
            stales = [p["maxStale"] for p in json.loads(record["data"]["jwks.json"])["providers"]]
            assert stales and stales != found
            return stales

        found = await_until("the record says another maxStale", told)
    assert found == [7200]


for _name in set(LIVE.values()):
    for _mark in live:
        globals()[_name] = _mark(globals()[_name])
