"""Random worlds: providers, policies, tokens and requests that meet often enough to be interesting. A world is made of plain
JSON resources and bytes, and knows nothing of what should come of them."""

import json
import time

import targets
from resources import AUDIENCE, Key, jwks

METHODS = ["GET", "GET", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]
SEGMENTS = ["users", "orders", "alice", "bob", "a", "admin", "a b", "ü", "7", "true"]
PATTERNS = [*SEGMENTS, "{id}", "*"]
HOSTS = ["a.test", "b.test", "x.wild.test", "wild.test", "[::1]"]
HOST_PATTERNS = ["a.test", "b.test", "*.wild.test", "x.wild.test", "[::1]"]
SUBJECTS = ["alice", "bob", "system:serviceaccount:shop:web", "a b"]
SUBJECT_PATTERNS = [*SUBJECTS, "system:serviceaccount:shop:*", "*", "al*", "*ce"]
CLIENTS = ["web", "cli", "batch"]
SCOPES = ["read", "write", "orders:read", "admin"]
GROUPS = ["traders", "ops", "Staff", "a,b"]
ROLES = ["viewer", "editor"]
VALUES = ["gold", "silver", "7", "true", "eu", "e"]
CLAIM_PATHS = [["tier"], ["level"], ["flag"], ["org", "unit"], ["list"], ["nothing"]]
TENANTS = ["blue", "red", "blue, red"]
NETWORKS = ["127.0.0.0/30", "127.0.0.1/32", "127.0.0.4/30", "10.0.0.0/8", "::1/128", "127.0.0.0/8"]
ADDRESSES = [f"127.0.0.{i}" for i in (1, 2, 3, 4, 5, 9)]
# Of tokens that are sound, and yet not what the provider asks for: claims that count as verified have no such fault.
FAULTS_OF_TOKENS = {"claim_required", "lifetime_too_long", "typ_not_allowed"}
# Each is a place where tokens are looked for.
STRAY = "stray"  # no policy names it, so it is in no bundle; its callers call all the same
SOURCES = {"okta": None, "partner": None, STRAY: None, "session": [{"cookie": "session"}], "bare": [{"header": "X-App-Token"}], "dpop": [{"header": "Authorization", "scheme": "DPoP"}]}
KEYS = {name: Key("k1") for name in SOURCES}


def some(rnd, values, most):
    """1 to `most` of them, each once."""
    values = list(values)
    return rnd.sample(values, rnd.randint(1, min(most, len(values))))


def claim_condition(rnd):
    operator = rnd.choice(["In", "NotIn", "Exists", "NotExists", "Contains", "Prefix", "Suffix"])
    out = {"path": rnd.choice(CLAIM_PATHS), "operator": operator}
    if not operator.endswith("Exists"):
        out["values"] = some(rnd, VALUES, 2)
    return out


def provider(rnd, name):
    spec = {"issuer": f"https://{name}.test", "audiences": [AUDIENCE], "jwks": {"inline": jwks(KEYS[name])}, "allowedNamespaces": {"from": "All"}}
    if SOURCES[name]:
        spec["tokenSources"] = SOURCES[name]
    if name == "partner":  # vouches for what okta issues too, with conditions of its own
        spec["issuerAliases"] = ["https://okta.test"]
        spec["jwks"] = {"inline": jwks(KEYS["okta"])}
    if rnd.random() < 0.3:
        spec["requiredClaims"] = [claim_condition(rnd)]
    if rnd.random() < 0.2:
        spec["maxTokenLifetime"] = "1h"
    if rnd.random() < 0.1:
        spec["tokenTypes"] = ["at+jwt"]
    if rnd.random() < 0.2:
        spec["claimMappings"] = {"groups": [{"path": ["org", "groups"]}, {"path": ["groups"]}]}
    if rnd.random() < 0.3:
        spec["forward"] = {"claims": [{"path": ["tier"], "header": "X-Tenant"}]}
    return {"apiVersion": "meshauth.dev/v1alpha1", "kind": "IdentityProvider", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def caller(rnd, providers):
    if rnd.random() < 0.15:
        return {"anyone": True}
    name = "ghost" if rnd.random() < 0.05 else rnd.choice(providers)
    out = {"identityProvider": {"name": name, "namespace": "shop"}}
    for field, values, how in [("scopes", SCOPES, True), ("groups", GROUPS, True), ("roles", ROLES, True), ("subjects", SUBJECT_PATTERNS, False), ("clients", CLIENTS, False)]:
        if rnd.random() < 0.25:
            chosen = some(rnd, values, 2)
            out[field] = {rnd.choice(["all", "any"]): chosen} if how else chosen
    if rnd.random() < 0.2:
        out["claims"] = [claim_condition(rnd) for _ in range(rnd.randint(1, 2))]
    return out


def path_pattern(rnd, variable=None):
    segments = [rnd.choice(PATTERNS) for _ in range(rnd.choice((0, 1, 1, 2, 2, 3)))]
    seen_id = False
    for i, segment in enumerate(segments):
        if segment == "{id}":
            segments[i] = "*" if seen_id else segment
            seen_id = True
    if variable and not seen_id:
        segments.insert(rnd.randrange(len(segments) + 1), "{id}")
    end = rnd.random()
    return "/" + "/".join(segments + (["**"] if end < 0.4 else [""] if end < 0.5 or not segments else []))


def destination(rnd, variable):
    out = {}
    if variable or rnd.random() < 0.7:
        out["paths"] = list({path_pattern(rnd, variable) for _ in range(rnd.randint(1, 3))})
    for field, values, chance in [("methods", set(METHODS), 0.5), ("hosts", HOST_PATTERNS, 0.3), ("ports", [8080, 9090], 0.1)]:
        if rnd.random() < chance:
            out[field] = some(rnd, sorted(values), 3)
    for field, values, chance in [("notMethods", set(METHODS), 0.1), ("notHosts", HOST_PATTERNS, 0.1), ("notPorts", [8080, 9090], 0.05)]:
        if rnd.random() < chance:
            out[field] = some(rnd, sorted(values), 2)
    if rnd.random() < 0.1:
        out["notPaths"] = [path_pattern(rnd)]
    return out or {"methods": ["GET"]}


def rule(rnd, name, providers):
    deny = rnd.random() < 0.12
    out = {"name": name, "action": "Deny" if deny else "Allow"}
    when, variable = [], rnd.random() < 0.2
    if variable:
        when.append({"pathVariable": "id", "equalsClaim": rnd.choice([["sub"], ["org", "unit"], ["level"], ["flag"]])})
    if rnd.random() < 0.15:
        when.append({"sourceIPs": some(rnd, NETWORKS, 2)})
    if rnd.random() < 0.2:
        when.append({"header": rnd.choice(["X-Tenant", "x-tenant", "X-Env"]), "values": some(rnd, TENANTS, 2)})
    if not deny or rnd.random() < 0.5:
        out["from"] = [caller(rnd, providers) for _ in range(rnd.choice((1, 1, 2, 3)))]
    if variable or deny or rnd.random() < 0.9:
        out["to"] = [destination(rnd, variable) for _ in range(rnd.choice((1, 1, 2)))]
    if when:
        out["when"] = when
    return out


def policies(rnd, providers):
    out = []
    for i in range(rnd.choice((1, 2, 3, 5))):
        root = rnd.random() < 0.15
        spec = {"rules": [rule(rnd, f"r{j}", providers) for j in range(rnd.choice((0, 1, 3, 6, 10, 20)))]}
        if rnd.random() < 0.2:
            spec["mode"] = "Audit"
        if not root and rnd.random() < 0.3:
            spec["workloads"] = ["orders", "other"]
        out.append({"apiVersion": "meshauth.dev/v1alpha1", "kind": "AccessPolicy", "metadata": {"name": f"p{i}", "namespace": "mesh-auth-system" if root else "shop"}, "spec": spec})
    return out


def named_providers(resources):
    return {entry["identityProvider"]["name"] for r in resources for one in r["spec"]["rules"] for entry in one.get("from", []) if "identityProvider" in entry}


class Token(str):
    """claims: what a sound token says; None of a wrong one."""

    claims = None


def token(rnd, name):
    """A token of that provider; some are wrong."""
    now = int(time.time())
    claims = {"iss": f"https://{name}.test", "sub": rnd.choice(SUBJECTS), "iat": now, "exp": now + rnd.choice((3000, 3000, 86400))}
    for key, value in [
        ("azp", rnd.choice(CLIENTS)),
        ("scope", " ".join(some(rnd, SCOPES, 3))),
        ("scp", some(rnd, SCOPES, 2)),
        ("groups", some(rnd, GROUPS, 3)),
        ("roles", some(rnd, ROLES, 2)),
        ("tier", rnd.choice(VALUES)),
        ("level", rnd.choice((7, 7.5, -1))),
        ("flag", rnd.random() < 0.5),
        ("org", {"unit": rnd.choice(["alice", "eu", "7"]), "groups": some(rnd, GROUPS, 2)}),
        ("list", rnd.choice([["gold", "eu"], ["silver"], [], "gold", [7, "true"], None])),
    ]:
        if rnd.random() < 0.5:
            claims[key] = value
    head = {"typ": rnd.choice(["JWT", "at+jwt", "application/at+jwt", "logout+jwt"])} if rnd.random() < 0.2 else {}
    key = KEYS["okta" if name == "partner" else name]
    wrong = rnd.random()
    if wrong < 0.03:
        claims["exp"] = now - 1000
    elif wrong < 0.06:
        claims["aud"] = rnd.choice(["api://other", [AUDIENCE, "x"], []])
    elif wrong < 0.08:
        claims["iss"] = rnd.choice(["https://okta.test/", "https://nobody.test", 7])
    elif wrong < 0.10:
        head["kid"] = "k9"
    elif wrong < 0.12:
        head["alg"] = rnd.choice(["none", "HS256", "RS256"])
    elif wrong < 0.14:
        key = KEYS[rnd.choice(list(KEYS))]
    elif wrong < 0.15:
        claims["nbf"] = now + 1000
    elif wrong < 0.16:
        return Token(rnd.choice(["a.b", "a.b.c", "x", "e30.e30.", "e30.e30.AA", "....", "a" * 17000]))
    out = Token(key.token(head, **claims))
    if wrong >= 0.16:
        out.claims = {key: value for key, value in claims.items() if value is not None}
    return out


def presented(rnd, name, text):
    """Header lines that carry the token."""
    place = (SOURCES[name] or [{}])[0]
    if "cookie" in place:
        return [("Cookie", f"a=1; {place['cookie']}={text}")]
    if place.get("header") == "X-App-Token":
        return [("X-App-Token", text)]
    scheme = place.get("scheme", rnd.choice(["Bearer", "bearer"]))
    return [("Authorization", f"{scheme} {text}")]


class Request:
    """One request, for a socket and for a file of cases."""

    def __init__(self, method, target, host, headers, source, known=None):
        """known: where a case may tell the caller by the claims of its one token: (provider, claims, lines of the token)."""
        self.method, self.target, self.host, self.headers, self.source = method, target, host, headers, source
        self.known = known

    def bytes(self):
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.host}"] + [f"{k}: {v}" for k, v in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def case(self, name, want):
        known = self.known if want["reason"] not in FAULTS_OF_TOKENS else None
        caller = {"provider": f"shop/{known[0]}", "claims": known[1]} if known else {"anonymous": True}
        headers = {}
        for key, value in self.headers:
            if not known or (key, value) not in known[2]:
                headers.setdefault(key.lower(), []).append(value)
        request = {"method": self.method, "path": self.target, "host": self.host, "port": 8080, "source": self.source, "headers": headers}
        return {"name": name, "workload": "shop/orders", "caller": caller, "request": request, "want": want}


def request(rnd, tokens, tellable=()):
    """tellable: the providers whose tokens may also be told by their claims."""
    path = [rnd.choice(SEGMENTS) for _ in range(rnd.choice((0, 1, 2, 2, 3, 4)))]
    if not path or rnd.random() < 0.15:
        path.append("")
    raw = targets.encoded(rnd, path)
    if rnd.random() < 0.1:
        raw += rnd.choice((b"?a=b", b"?a=/../x", b"?%zz"))
    if rnd.random() < 0.08:
        raw = targets.damaged(rnd, raw)
    if rnd.random() < 0.03:
        raw = b"http://" + rnd.choice(HOSTS).encode() + raw
    try:
        target = raw.decode()
    except UnicodeDecodeError:
        target = "/"
    if any(ord(c) <= 0x20 or c == "\x7f" for c in target) or not target:
        target = "/"  # nginx alone refuses it: the differential test has those
    headers, known = [], None
    if rnd.random() < 0.8:
        name, text = rnd.choice(tokens)
        place = name if rnd.random() < 0.97 else rnd.choice(list(SOURCES))
        headers += presented(rnd, place, text)
        if rnd.random() < 0.03:
            headers += presented(rnd, *rnd.choice(tokens))
        elif place == name and name in tellable and text.claims and rnd.random() < 0.6:
            known = (name, text.claims, list(headers))
    for name in ("X-Tenant", "X-Env"):
        for _ in range(rnd.choice((0, 0, 1, 1, 2))):
            blank = rnd.choice(("", "", "", "\t"))
            headers.append((rnd.choice((name, name.lower())), blank + rnd.choice((*TENANTS, "green", "green, blue"))))
    host = rnd.choice(HOSTS) + rnd.choice(("", "", "", ":8080", ".")) if rnd.random() < 0.97 else rnd.choice(("a_b.test", "a.test:x", "A.TEST"))
    if host.endswith("]."):
        host = host[:-1]
    return Request(rnd.choice(METHODS), target, host, headers, rnd.choice(ADDRESSES), known)


class World:
    """before: the world before this one, some of whose tokens come again, so that what is cached of them meets other policies."""

    def __init__(self, rnd, tokens=60, before=None):
        names = some(rnd, [name for name in SOURCES if name != STRAY], 3)
        self.policies = policies(rnd, names)
        used = named_providers(self.policies) | ({STRAY} if rnd.random() < 0.5 else set())
        here = [name for name in SOURCES if name in used]
        self.providers = [provider(rnd, name) for name in here]
        self.tokens = [(name, token(rnd, name)) for name in (rnd.choice(here or list(SOURCES)) for _ in range(tokens))]
        # Partner vouches for tokens of okta too: such a caller is more than the claims of one provider.
        self.tellable = [name for name in here if not (name == "okta" and "partner" in here)]
        if before:
            self.tokens += rnd.sample(before.tokens, min(tokens // 2, len(before.tokens)))
        # Of a bundle only the providers that a policy names are a part; the command line is given all.
        self.resources = [one for one in self.providers if one["metadata"]["name"] != STRAY] + self.policies

    def request(self, rnd):
        return request(rnd, self.tokens, self.tellable)

    def write(self, file):
        file.write_text("\n---\n".join(json.dumps(resource) for resource in self.providers + self.policies))
