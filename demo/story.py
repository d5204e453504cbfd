"""The story, step by step. Each step has a name, and a way to spoil it (BREAK) that must show as wrong."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway import Answer, Enforced, Wrong, agent_status
from mesh import Mesh, await_until
from provider import Token
from screen import Screen
from upstream import MARK

_PATIENCE = 15.0  # seconds for anything that takes milliseconds on a machine that is not busy
_SPOILED_PATIENCE = 2.0


@dataclass(frozen=True)
class Step:
    name: str
    about: str
    run: Callable[[Story], None]


class Story:
    def __init__(self, mesh: Mesh, screen: Screen, spoiled: str = "") -> None:
        self.mesh = mesh
        self.screen = screen
        self._spoiled = spoiled
        self._step = ""
        self.wrong: dict[str, int] = {}  # by step
        self.answers = 0
        provider = mesh.provider
        self.reader = provider.token("alice", "orders:read")
        self.plain = provider.token("alice", "profile")
        self.admin = provider.token("alice", "orders:admin")

    # --- the frame ---

    def run(self) -> None:
        for number, step in enumerate(STEPS, 1):
            self._step = step.name
            self.screen.title(f"{number}/{len(STEPS)} {step.name}: {step.about}")
            if step.name == self._spoiled:
                self.screen.line("BREAK", "this step is spoiled on purpose")
            try:
                step.run(self)
            except (Wrong, OSError, AssertionError, StopIteration, ValueError) as error:
                self.judge("problem", str(error) or type(error).__name__, False)

    @property
    def spoiled(self) -> bool:
        return self._step == self._spoiled

    @property
    def patience(self) -> float:
        return _SPOILED_PATIENCE if self.spoiled else _PATIENCE

    def judge(self, label: str, text: str, right: bool) -> None:
        if not right:
            self.wrong[self._step] = self.wrong.get(self._step, 0) + 1
        self.screen.verdict(label, text, right)

    # --- verbs ---

    def expect(
        self, status: int, reason: str, rule: str, method: str, path: str, token: Token | None, about: str = ""
    ) -> Answer:
        """One request; status, reason and rule must be these ("": none)."""
        answer = self.mesh.gateway.ask(method, path, token)
        self.answers += 1
        sent = f"token of {token.about}" if token else "no token"
        self.screen.line("request", f"{method} {path}, {about or sent}")
        decision = "allow" if status == 200 else "deny"
        want = (status, decision, reason, rule)
        got = (answer.status, *(answer.audit.get(name, "") for name in ("decision", "reason", "rule")))
        right = got == want and (MARK in answer.body) == (status == 200)
        text = " ".join(str(word) for word in got if word)
        wanted = " ".join(str(word) for word in want if word)
        self.judge("answer", text if right else f"{text}; {wanted} would be right", right)
        micros = answer.audit.get("decisionMicroseconds", "?")
        self.screen.line("decided by", f"{answer.rule or _no_rule(answer)} ({micros} us)")
        return answer

    def denied(self, reason: str, path: str, token: Token) -> Answer:
        """403 because no rule let it pass; `meshauthctl explain` says why, and must come to the same answer."""
        answer = self.expect(403, reason, "", "GET", path, token)
        explained = self.mesh.explain("GET", path, token)
        self.judge("explain", explained[0], explained[0].startswith(f"deny (403 {reason})"))
        for line in explained[1:]:
            if line.startswith("smallest change"):
                break
            self.screen.line("", line)
        return answer

    def allowed(self, rule: str, path: str, token: Token, about: str = "") -> None:
        self.expect(200, "", rule, "GET", path, token, about)

    def changes(self, change: Callable[[], None], path: str, token: Token, old: int, new: int, since: str) -> None:
        """Makes a change and measures until `new` stands."""
        ask = lambda: self.mesh.gateway.ask("GET", path, token, audited=False)  # noqa: E731
        self.measured(self.mesh.gateway.enforced(change, ask, old, new, self.patience), since)

    def measured(self, enforced: Enforced, since: str) -> None:
        old = f"{enforced.old_answers} old answer{'' if enforced.old_answers == 1 else 's'}"
        self.screen.measured(f"{enforced.milliseconds:.1f} ms after {since} ({old} until then, none since)")

    def goes_on(self) -> None:
        """What held before still holds: the right scope, the wrong one, none."""
        self.allowed("read-orders", "/orders/7", self.reader)
        self.expect(403, "scope_insufficient", "", "GET", "/orders/7", self.plain)
        self.expect(401, "token_missing", "", "GET", "/orders/7", None)


def _no_rule(answer: Answer) -> str:
    if answer.status == 401:
        return "no rule was asked: there is no caller"
    return f"no rule let it pass: {answer.reason}"


# --- the steps ---


def no_token(story: Story) -> None:
    token = story.reader if story.spoiled else None
    answer = story.expect(401, "token_missing", "", "GET", "/orders/7", token)
    # RFC 6750, section 3.1: no error code where no token was sent.
    right = answer.challenge.startswith("Bearer") and "error=" not in answer.challenge
    story.judge("challenge", f"WWW-Authenticate: {answer.challenge}", right)


def wrong_scope(story: Story) -> None:
    token = story.reader if story.spoiled else story.plain
    answer = story.denied("scope_insufficient", "/orders/7", token)
    story.judge(
        "challenge", f"WWW-Authenticate: {answer.challenge}", 'error="insufficient_scope"' in answer.challenge
    )


def right_scope(story: Story) -> None:
    story.allowed("read-orders", "/orders/7", story.plain if story.spoiled else story.reader)


def policy_edit(story: Story) -> None:
    mesh = story.mesh
    text = mesh.edited("orders.yaml", "orders:read", "orders:admin")
    story.screen.line("change", "orders.yaml: rule read-orders wants scope orders:admin instead of orders:read")
    try:
        saved = (lambda: None) if story.spoiled else (lambda: mesh.save("orders.yaml", text))
        story.changes(saved, "/orders/7", story.reader, 200, 403, "the file was saved")
    finally:
        mesh.save("orders.yaml", text)
    story.expect(403, "scope_insufficient", "", "GET", "/orders/7", story.reader)
    story.allowed("read-orders", "/orders/7", story.admin)


def rule_restored(story: Story) -> None:
    mesh = story.mesh
    text = mesh.edited("orders.yaml", "orders:admin", "orders:read")
    story.screen.line("change", "orders.yaml: rule read-orders wants scope orders:read again")
    try:
        saved = (lambda: None) if story.spoiled else (lambda: mesh.save("orders.yaml", text))
        story.changes(saved, "/orders/7", story.reader, 403, 200, "the file was saved")
    finally:
        mesh.save("orders.yaml", text)
    story.goes_on()


def own_path(story: Story) -> None:
    bob = story.mesh.provider.token("bob")
    story.allowed("own-path", "/users/alice", bob if story.spoiled else story.plain)
    story.allowed("own-path", "/users/bob/orders", bob)
    story.denied("no_rule_matched", "/users/alice", bob)
    story.denied("no_rule_matched", "/users/bob", story.plain)


def key_rotation(story: Story) -> None:
    provider = story.mesh.provider
    old = story.reader
    story.screen.line("change", "the provider signs with new keys from now on; the old ones stay published")
    fresh: list[Token] = []

    def rotate(drop_old: bool) -> float:
        provider.rotate(drop_old)  # making keys takes the provider a while
        rotated = time.monotonic()
        fresh.append(provider.token("alice", "orders:read"))
        return rotated

    ask = lambda: story.mesh.gateway.ask("GET", "/orders/7", fresh[-1], audited=False)  # noqa: E731
    enforced = story.mesh.gateway.enforced(lambda: rotate(story.spoiled), ask, 401, 200, _PATIENCE)
    story.measured(enforced, "the rotation")
    story.screen.line("", "(the operator asks a provider at most once a second here: minRefetchInterval)")
    story.reader = fresh[0]
    story.allowed("read-orders", "/orders/7", old, "token signed with the old key")
    story.allowed("read-orders", "/orders/7", story.reader, "token signed with the new key")

    story.screen.line("change", "the provider rotates again and withdraws all keys before")
    story.measured(story.mesh.gateway.enforced(lambda: rotate(True), ask, 401, 200, _PATIENCE), "the rotation")
    withdrawn, story.reader = story.reader, fresh[1]
    story.plain = provider.token("alice", "profile")
    story.admin = provider.token("alice", "orders:admin")
    story.expect(401, "kid_unknown", "", "GET", "/orders/7", withdrawn, "token signed with a withdrawn key")
    story.allowed("read-orders", "/orders/7", story.reader, "token signed with the newest key")


def provider_down(story: Story) -> None:
    mesh = story.mesh
    stranger = mesh.provider.token("alice", "orders:read", kid="nobody-knows-this-key")
    story.screen.line("change", "the provider is killed")
    mesh.kill("provider")
    try:
        story.screen.line("", "a token that names an unknown key makes the operator ask the provider, in vain:")
        story.expect(401, "kid_unknown", "", "GET", "/orders/7", stranger, "token that names an unknown key")
        await_until(lambda: _asked_in_vain(mesh, stranger), _PATIENCE, "a failed fetch")
        story.screen.line("operator", mesh.condition("identityprovider", "dev", "KeysFresh")["message"])
        _still_serving(story)
    finally:
        mesh.start_provider()


def _still_serving(story: Story) -> None:
    if story.spoiled:
        story.mesh.kill("upstream")
    try:
        story.goes_on()
    finally:
        if story.spoiled:
            story.mesh.start_upstream()


def _asked_in_vain(mesh: Mesh, stranger: Token) -> bool:
    """A worker tells of unknown keys once a second at most, so the caller tries again, as callers do."""
    mesh.gateway.ask("GET", "/orders/7", stranger, audited=False)
    failures: int = mesh.status("identityprovider", "dev")["consecutiveFailures"]
    return failures > 0


def operator_killed(story: Story) -> None:
    mesh = story.mesh
    story.screen.line("change", "the operator is killed")
    mesh.kill("operator")
    restored = mesh.text("orders.yaml")
    edited = mesh.edited("orders.yaml", "orders:read", "orders:admin")
    try:
        await_until(lambda: not agent_status(mesh.agent_port)["stream"]["up"], _PATIENCE, "the end of the stream")
        _still_serving(story)
        story.screen.line("change", "orders.yaml wants orders:admin, saved while nobody reads; the operator returns")
        mesh.save("orders.yaml", edited)
        start = lambda: mesh.start_operator(wait=False)  # noqa: E731
        story.changes(start, "/orders/7", story.reader, 200, 403, "the operator was started")
        story.screen.line("change", "orders.yaml: as before")
        story.changes(
            lambda: mesh.save("orders.yaml", restored), "/orders/7", story.reader, 403, 200, "the file was saved"
        )
    finally:
        mesh.save("orders.yaml", restored)
        if not mesh.processes["operator"].is_running():
            mesh.start_operator()


def tampered_bundle(story: Story) -> None:
    story.screen.line("change", "policy.json of the bundle is edited: scope profile shall be enough")
    _tamper(story, "tampered-policy", _edit_policy)
    story.screen.line("change", "the same, and the manifest's digests are made to fit; the signature cannot be")
    _tamper(story, "tampered-manifest", _edit_policy_and_manifest)


def garbage_policy(story: Story) -> None:
    mesh = story.mesh
    good = mesh.text("orders.yaml")
    try:
        _garbage_yaml(story)
        story.goes_on()
        _garbage_field(story, good)
        story.goes_on()
    finally:
        writers = good + _WRITERS
        since = mesh.operator_log.mark()
        story.screen.line("change", "orders.yaml is put right, with one more rule: scope orders:write may POST")
        writer = mesh.provider.token("alice", "orders:write")
        ask = lambda: mesh.gateway.ask("POST", "/orders", writer, audited=False)  # noqa: E731
        story.measured(
            mesh.gateway.enforced(lambda: mesh.save("orders.yaml", writers), ask, 403, 200, _PATIENCE),
            "the file was saved",
        )
    story.expect(200, "", "write-orders", "POST", "/orders", writer)
    story.goes_on()
    is_news = lambda e: e.get("msg") == "ready" and e["object"] == "accesspolicy/shop/orders"  # noqa: E731
    ready = mesh.operator_log.await_entry(is_news, _PATIENCE, since)
    story.judge("operator", "the policy is ready again" if ready else "nothing about the policy", bool(ready))


# --- of the steps ---


def _tamper(story: Story, name: str, edit: Callable[[Path], None]) -> None:
    """Points the bundle's link to an edited copy of the revision in force, and back."""
    mesh = story.mesh
    link = mesh.bundle / "current"
    honest = link.readlink()
    folder = mesh.bundle / "revisions" / name
    shutil.copytree(mesh.bundle / honest, folder)
    if not story.spoiled:
        edit(folder)
    since = mesh.agent_log.mark()
    began = time.monotonic()
    _point(link, Path("revisions") / name)
    try:
        said = mesh.agent_log.await_entry(lambda e: e.get("refused") == name, story.patience, since)
        took = f"{(time.monotonic() - began) * 1000:.1f} ms after the link was moved"
        story.judge("nginx", f"refused {took}: {said['detail']}" if said else "nobody refused it", bool(said))
        story.goes_on()
    finally:
        _point(link, honest)
        shutil.rmtree(folder)


def _point(link: Path, target: Path) -> None:
    draft = link.with_name("current.demo")
    draft.symlink_to(target)
    draft.rename(link)


def _edit_policy(folder: Path) -> None:
    policy = folder / "policy.json"
    text = policy.read_text()
    if "orders:read" not in text:
        raise Wrong("policy.json does not name the scope")
    policy.write_text(text.replace("orders:read", "profile"))


def _edit_policy_and_manifest(folder: Path) -> None:
    _edit_policy(folder)
    content = (folder / "policy.json").read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    for file in manifest["files"]:
        if file["name"] == "policy.json":
            file["size"] = len(content)
            file["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


_GARBAGE = "kind: AccessPolicy\n  spec: [[[ this is: no YAML\n"
_WRITERS = """    - name: write-orders
      action: Allow
      from:
        - identityProvider: {name: dev}
          scopes: {all: ["orders:write"]}
      to:
        - methods: [POST]
          paths: ["/orders"]
"""


def _garbage_yaml(story: Story) -> None:
    mesh = story.mesh
    since = mesh.operator_log.mark()
    story.screen.line("change", "orders.yaml is no YAML any more")
    mesh.save("orders.yaml", _ALLOWS_NOTHING if story.spoiled else _GARBAGE)
    said = mesh.operator_log.await_entry(lambda e: e.get("msg") == "manifest refused", story.patience, since)
    story.judge("operator", f"{said['object']}: {said['message']}" if said else "no message", bool(said))


def _garbage_field(story: Story, good: str) -> None:
    mesh = story.mesh
    story.screen.line("change", "orders.yaml is YAML again, but a field is misspelt: scpoes")
    mesh.save("orders.yaml", good.replace("scopes:", "scpoes:"))
    refused = lambda: mesh.condition("accesspolicy", "orders", "Accepted")["status"] == "False"  # noqa: E731
    await_until(refused, story.patience, "Accepted=False")
    condition = mesh.condition("accesspolicy", "orders", "Accepted")
    named = "scpoes" in condition["message"]
    story.judge("operator", f"Accepted=False, {condition['reason']}: {condition['message']}", named)


_ALLOWS_NOTHING = """apiVersion: meshauth.dev/v1alpha1
kind: AccessPolicy
metadata: {name: orders, namespace: shop}
spec: {workloads: [orders], rules: []}
"""

STEPS = (
    Step("no-token", "who shows no token is not let in", no_token),
    Step("wrong-scope", "a token without the scope is not enough", wrong_scope),
    Step("right-scope", "a token with the scope is", right_scope),
    Step("policy-edit", "a policy is edited, and nginx answers anew", policy_edit),
    Step("rule-restored", "the rule is put back", rule_restored),
    Step("own-path", "/users/{id} is for the user id alone", own_path),
    Step("key-rotation", "the provider changes its keys", key_rotation),
    Step("provider-down", "the provider is gone, requests are still decided", provider_down),
    Step("operator-killed", "the operator is gone, requests are still decided", operator_killed),
    Step("tampered-bundle", "an edited bundle is refused, the one before goes on", tampered_bundle),
    Step("garbage-policy", "a policy that is none is refused, the one before goes on", garbage_policy),
)
