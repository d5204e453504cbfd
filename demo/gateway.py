"""Requests to nginx, and what nginx says about each: status on the wire, rule and reason in the audit line."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from journal import Entry, Journal
from provider import Token

_AUDIT_SECONDS = 5.0
_REQUEST_SECONDS = 10.0
_ROW = 10  # so many new answers in a row, each on a connection of its own, before a change counts as enforced


class Wrong(Exception):
    """Something that the story needs did not come to be."""


@dataclass
class Answer:
    status: int
    body: str
    challenge: str
    seconds: float
    audit: Entry = field(default_factory=dict)

    @property
    def reason(self) -> str:
        return str(self.audit.get("reason", ""))

    @property
    def rule(self) -> str:
        """The rule that decided as policy/rule, or why none did."""
        if self.audit.get("rule"):
            return f"policy {self.audit['policy']}, rule {self.audit['rule']}"
        return ""


@dataclass
class Enforced:
    milliseconds: float
    old_answers: int


class Gateway:
    def __init__(self, port: int, audit: Journal) -> None:
        self.port = port
        self._audit = audit

    def ask(self, method: str, path: str, token: Token | None = None, audited: bool = True) -> Answer:
        """One request on a connection of its own. `audited`: waits for its audit line too."""
        trace = os.urandom(16).hex()
        headers = {"traceparent": f"00-{trace}-{os.urandom(8).hex()}-01"}
        if token:
            headers["Authorization"] = f"Bearer {token.raw}"
        since = self._audit.mark() if audited else 0
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_REQUEST_SECONDS)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise Wrong(f"{method} {path} got no answer: {error}") from None
        finally:
            connection.close()
        answer = Answer(response.status, body, response.getheader("WWW-Authenticate") or "", time.monotonic() - began)
        if audited:
            line = self._audit.await_entry(lambda entry: entry.get("traceId") == trace, _AUDIT_SECONDS, since)
            if line is None:
                raise Wrong(f"{method} {path} got {answer.status}, but its audit line never came")
            answer.audit = line
        return answer

    def enforced(
        self, change: Callable[[], float | None], ask: Callable[[], Answer], old: int, new: int, within: float
    ) -> Enforced:
        """Makes a change and asks without a pause until the new answer stands. Any third answer is an error.

        The clock starts before the change, or when it says that it took place (time.monotonic()).
        """
        before = time.monotonic()
        began = change() or before
        row, old_answers, first = 0, 0, 0.0
        while row < _ROW:
            answer = ask()
            if answer.status == new:
                row += 1
                first = time.monotonic() if row == 1 else first
            elif answer.status == old:
                old_answers += 1 + row  # a worker that came later: what was seen before was not the end of it
                row = 0
            else:
                raise Wrong(f"{answer.status} while {old} was to become {new}: {answer.body.strip()[:200]}")
            if time.monotonic() > began + within and row == 0:
                raise Wrong(f"the answer was still {old} after {within:g} s; {new} would be right")
        return Enforced((first - began) * 1000, old_answers)


def agent_status(port: int) -> Entry:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_SECONDS)
    try:
        connection.request("GET", "/status")
        status: Entry = json.loads(connection.getresponse().read())
        return status
    finally:
        connection.close()
