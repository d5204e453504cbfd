#!/usr/bin/env python3
"""Writes docs/reasons.md from core/base/reason.h, docs/conditions.md from core/plan/conditions.h and operator/idp/source.h,
and docs/findings.md from cli/check/findings.h.

`--check` writes nothing and fails when a page is not what it would write.
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent

REASONS_HEAD = """# Reasons: why a request was refused

Written by `tools/pages.py` from `core/base/reason.h`. A reason's name is the same in nginx's audit line
(`$mesh_auth_reason`), the metrics, `meshauthctl decide` and `meshauthctl token verify`. The caller is told the status
and, where RFC 6750 has one, the error code in `WWW-Authenticate`; never the reason. When several things are wrong, the
first in the order of the checks is reported, and a provider's token fails with the reason of the provider that got
furthest.

What nginx refuses by itself never gets that far: it has no reason, and no audit line, since nothing was decided. A second
`Authorization` or `Host` line is the case to know of: nginx answers its own 400 (a token in two different places is ours,
`token_multiple`).
"""

# What each reason means, and what to do. A reason without a line here stops this program.
MEANING = {
    "path_ambiguous": "The path could mean one thing here and another to the application: `//`, dot segments, `;`, `\\`, an encoded slash, a bad escape, bytes that are no UTF-8. If the application needs the first kinds as plain data, `--path-allow` of the agent.",
    "host_mismatch": "More than one Host, one that is no host, or another one than the request line's.",
    "token_multiple": "Tokens in more than one place, or one header twice: which of them counts would be a guess.",
    "token_malformed_source": "The scheme is there (`Authorization: Bearer`), but not exactly one token after it.",
    "header_too_large": "A header over 32 KiB, or all of them over 128 KiB.",
    "token_missing": "Nobody said who calls, and a token could have helped.",
    "token_too_large": "The token is over 16 KiB.",
    "token_segments": "Not three segments: no signed JWT (an opaque token, or an encrypted one).",
    "base64_invalid": "A segment is not canonical base64url (RFC 7515 allows no padding, no line breaks).",
    "json_invalid": "Header or payload is no JSON object.",
    "json_duplicate": "A name stands twice in one JSON object; two readers could take different ones.",
    "json_too_deep": "JSON nested deeper than is ever needed.",
    "alg_not_allowed": "The header's `alg` is none that is ever accepted (`none`, HMAC), or none of the provider's `algorithms`.",
    "alg_key_mismatch": "The key that `kid` names cannot have made a signature of this `alg`.",
    "crit_present": "The header has `crit`: it demands an extension that is not understood here.",
    "header_forbidden": "The header has `b64`, `zip` or `enc`, which change what the payload means.",
    "kid_unknown": "The provider has no key of that name, as far as is known. A refetch is asked for (at most one per `minRefetchInterval`); if it stays, the token was signed by somebody else, or the provider took the key away.",
    "kid_ambiguous": "Two different keys of the source have this `kid`, and both could verify. The provider must name its keys apart.",
    "kid_missing_no_key": "The token names no key, and none of the source's keys fits its `alg`.",
    "typ_not_allowed": "The header's `typ` is none of the provider's `tokenTypes`: an ID token instead of an access token, for example.",
    "issuer_unknown": "`iss` is missing, or no provider of this workload has exactly this issuer. Compare byte for byte: a slash at the end counts.",
    "audience_mismatch": "The token is for somebody else: no value of `aud` is among the provider's `audiences`.",
    "exp_missing": "A token that never expires is never accepted.",
    "expired": "`exp` is past, `clockSkew` included.",
    "not_yet_valid": "`nbf` is still to come, `clockSkew` included. Check the clocks.",
    "issued_in_future": "`iat` is still to come, `clockSkew` included. Check the clocks.",
    "lifetime_too_long": "`exp` minus `iat` is more than the provider's `maxTokenLifetime`.",
    "numericdate_invalid": "A date of the token is no number of seconds (RFC 7519 section 2).",
    "claim_required": "The token lacks something the provider's `requiredClaims` ask for; or `iat`, where `maxTokenLifetime` needs it.",
    "signature_invalid": "No key of the provider made this signature.",
    "scope_insufficient": "A rule would have allowed it, had the token these scopes; the challenge names them.",
    "no_rule_matched": "Policies select this workload, and none of their rules allows this request. `meshauthctl explain` shows each.",
    "denied_by_rule": "A Deny rule matched; the audit line names it.",
    "no_policy": "No policy selects this workload, and the mesh denies by default.",
    "no_bundle": "The sidecar has no valid bundle yet, so it answers nothing. See [troubleshooting](troubleshooting.md).",
    "keys_stale": "The last good fetch of the provider's keys is older than its `maxStale`. Its condition `KeysFresh` says why.",
    "internal": "Something that must not happen did; nginx's error log says what.",
}

CONDITIONS_HEAD = """# Conditions: what a resource's status says

Written by `tools/pages.py` from `core/plan/conditions.h` and `operator/idp/source.h`. Every condition is there from the first visit, carries
`observedGeneration`, and changes `lastTransitionTime` only when its status changes.

| condition | of | True means |
|---|---|---|
| `Accepted` | both | The resource is valid. False: the last good form stays in force. |
| `ResolvedRefs` | AccessPolicy | Every provider that the policy names exists and may be used from its namespace. |
| `Programmed` | AccessPolicy | Every sidecar that the policy concerns has confirmed the current revision, and the record holds it. |
| `Discovered` | IdentityProvider | The discovery document was read, and its issuer is ours. |
| `KeysFresh` | IdentityProvider | The keys in use are younger than `maxStale`. |
| `Bypassable` | AccessPolicy | A Service leads to a port of an injected pod that its sidecar does not hold. False is good here, and so is its absence. |
| `Ready` | both | Nobody needs to act. This is the one to wait for: `kubectl wait --for=condition=Ready accpol/NAME`. |

Pods that have not yet connected delay `Programmed`, never `Ready`. A bundle that a sidecar refused makes `Ready` False. `Bypassable` leaves
`Ready` as it is: the policy is in force wherever a sidecar is asked, a Service is often somebody else's, and one that goes past a sidecar may be
meant to (a port for metrics). Wait for it, or alert on it, by itself: `kubectl wait --for=condition=Bypassable=false accpol/NAME`.
It is known of injected pods alone; of others, which do not say what their sidecars hold, it is Unknown.
"""

FAULTS_HEAD = """
## Why the keys of a provider could not be fetched

As a reason of `Discovered` and `KeysFresh`; the message names the host, what came and what would be right. The last good
keys stay in use, and the next try comes by itself. `Ready` becomes False after three failures in a row, or when no key is
left to verify with.
"""

FAULTS = {
    "UrlInvalid": "No URL, or one that is not https.",
    "CaInvalid": "`tls.caBundle` holds no readable certificate.",
    "ResolveFailed": "The name has no address, or the resolver does not answer.",
    "AddressRefused": "The name leads to an address that no provider may have: loopback, link-local, a cloud's metadata service.",
    "ConnectFailed": "Nothing accepts connections there.",
    "TlsFailed": "The handshake failed: a certificate that is not trusted (set `tls.caBundle`), or of another name.",
    "Timeout": "No whole answer before the deadline.",
    "RedirectRefused": "It redirects to another host, or too often. Name the final URL in `discovery.url` or `jwks.uri`.",
    "TooLarge": "Headers or body are larger than such a document ever is.",
    "ResponseInvalid": "What came is no whole HTTP answer.",
    "HttpStatus": "It answers with another status than 200.",
    "NotJson": "What came is no JSON: often a login or error page.",
    "DiscoveryFailed": "The discovery document lacks a usable `issuer` or `jwks_uri`.",
    "IssuerMismatch": "The discovery document is of another issuer than `spec.issuer`; they must be equal byte for byte.",
    "SecretMaterial": "The key set contains a private or symmetric key, so all of it is refused. Tell the provider: that key is no longer secret.",
    "KeySetInvalid": "JSON, but no key set.",
    "NoUsableKeys": "A key set without one key that could verify a token here; `status.skippedKeys` says why for each.",
    "ClusterFailed": "The API server did not give its own keys (profile `kubernetes`).",
    "Internal": "The operator had no memory, file descriptor or thread left.",
}

FINDINGS_HEAD = """# Findings: what `meshauthctl check` can say

Written by `tools/pages.py` from `cli/check/findings.h`. How to run it, and who may, is in
[Check a mesh](how-to/check-a-mesh.md). An error makes the exit code 1. NAMESPACE and NAME stand for the object's; in the
output they are filled in.
"""

TYPES = {"Accepted", "ResolvedRefs", "Programmed", "Bypassable", "Ready", "Discovered", "KeysFresh"}


def macro(text: str, name: str) -> str:
    """The body of a multi-line #define."""
    found = re.search(rf"#define {name}\(X\)((?:.*\\\n)+.*)\n", text)
    if not found:
        sys.exit(f"pages: there is no {name}")
    return found[1].replace("\\\n", "\n")


def reasons() -> str:
    text = macro((REPO / "core/base/reason.h").read_text(), "MESH_AUTH_REASONS")
    rows = re.findall(r'X\((\w+), (\d+), "(\w*)"\)', text)
    if not rows or len(rows) != text.count("X("):
        sys.exit("pages: core/base/reason.h is not in the form that is expected here")
    missing = [name for name, _, _ in rows if name not in MEANING]
    gone = sorted(MEANING.keys() - {name for name, _, _ in rows})
    if missing or gone:
        sys.exit(f"pages: MEANING lacks {missing} and has {gone}, which no longer exist")
    lines = [REASONS_HEAD, "| reason | status | `error` of the challenge | what it means |", "|---|---|---|---|"]
    for name, status, error in rows:
        meaning = MEANING[name].replace("|", "\\|")
        lines.append(f"| `{name}` | {status} | {f'`{error}`' if error else ''} | {meaning} |")
    return "\n".join(lines) + "\n"


def conditions() -> str:
    text = macro((REPO / "core/plan/conditions.h").read_text(), "MESH_AUTH_CONDITION_REASONS")
    # X(Name, "text" "that may go on")
    rows = re.findall(r'X\((\w+),\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)', text)
    if not rows or len(rows) != len(re.findall(r"\bX\(", text)):
        sys.exit("pages: core/plan/conditions.h is not in the form that is expected here")
    lines = [CONDITIONS_HEAD, "| reason | what it means, and what to do |", "|---|---|"]
    for name, strings in rows:
        meaning = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', strings)).replace('\\"', '"').replace("|", "\\|")
        lines.append(f"| `{name}` | {meaning} |")
    faults = re.findall(r"\bX\((\w+)\)", macro((REPO / "operator/idp/source.h").read_text(), "MESH_AUTH_SOURCE_FAULTS"))
    if set(faults) != FAULTS.keys():
        sys.exit(f"pages: FAULTS and operator/idp/source.h differ: {sorted(set(faults) ^ FAULTS.keys())}")
    lines += [FAULTS_HEAD, "| reason | what it means, and what to do |", "|---|---|"]
    lines += [f"| `{name}` | {FAULTS[name]} |" for name in faults]
    known = {name for name, _ in rows} | FAULTS.keys() | TYPES
    for path in sorted((REPO / "core/plan").glob("*_status.cc")):
        used = set(re.findall(r'"([A-Z][a-z]+(?:[A-Z][a-z]+)+)"', path.read_text()))
        if used - known:
            sys.exit(f"pages: {path.name} uses reasons that no table has: {sorted(used - known)}")
    return "\n".join(lines) + "\n"


def findings() -> str:
    text = macro((REPO / "cli/check/findings.h").read_text(), "MESH_AUTH_FINDINGS")
    string = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
    rows = re.findall(rf'X\((\w+), "([a-z-]+)", (\w+),\s*{string},\s*{string}\)', text)
    if not rows or len(rows) != len(re.findall(r"\bX\(", text)):
        sys.exit("pages: cli/check/findings.h is not in the form that is expected here")
    if len({name for _, name, *_ in rows}) != len(rows):
        sys.exit("pages: two findings of cli/check/findings.h have one id")
    lines = [FINDINGS_HEAD]
    for _, name, severity, *parts in rows:
        meaning, remedy = ("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', part)) for part in parts)
        lines.append(f"## {name}\n\n*{severity}.* {meaning}\n\n**Do:** {remedy}\n")
    return "\n".join(lines)


def main() -> None:
    stale = []
    pages = (("reasons", reasons()), ("conditions", conditions()), ("findings", findings()))
    for page, wanted in ((REPO / f"docs/{name}.md", text) for name, text in pages):
        if page.exists() and page.read_text() == wanted:
            continue
        stale.append(str(page.relative_to(REPO)))
        if "--check" not in sys.argv[1:]:
            page.write_text(wanted)
    if stale and "--check" in sys.argv[1:]:
        sys.exit(f"not current, run tools/pages.py: {', '.join(stale)}")


if __name__ == "__main__":
    main()
