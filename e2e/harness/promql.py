"""What of PromQL a test must know: which series an expression reads."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<string>"(?:[^"\\]|\\.)*"|'[^']*')|(?P<range>\[[^\]]*\])"""
    r"""|(?P<number>[0-9][0-9.]*(?:e[0-9]+)?[a-z]*)|(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){},])"""
)
_OPERATORS = {"and", "or", "unless", "bool", "offset", "inf", "nan", "Inf", "NaN"}
_GROUPS = {"by", "without", "on", "ignoring", "group_left", "group_right"}


@dataclass(frozen=True)
class Read:
    """A selector: the metric, its matchers as (label, operator, value), and the labels that the expression groups by."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]


def reads(expression: str) -> tuple[list[Read], set[str]]:
    """Every selector of the expression, and all labels that it groups by. What is no PromQL is a ValueError."""
    tokens = _tokens(expression)
    found: list[Read] = []
    labels: set[str] = set()
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        at += 1
        if kind != "name" or text in _OPERATORS:
            continue
        if text in _GROUPS:
            end = next(i for i in range(at, len(tokens)) if tokens[i][1] == ")")
            labels |= {name for kind, name in tokens[at:end] if kind == "name"}
            at = end + 1
        elif following != "(" and following not in _GROUPS:
            matchers: tuple[tuple[str, str, str], ...] = ()
            if following == "{":
                end = next(i for i in range(at, len(tokens)) if tokens[i][1] == "}")
                matchers = _matchers(tokens[at + 1 : end], expression)
                at = end + 1
            found.append(Read(text, matchers))
    return found, labels


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, at, open_ = [], 0, []
    expression = expression.replace("$__rate_interval", "5m")
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if not match:
            raise ValueError(f"no PromQL at {expression[at:]!r} of {expression!r}")
        at = match.end()
        kind, text = str(match.lastgroup), match[0]
        if kind == "range" and not re.fullmatch(r"\[[0-9]+[smhd]\]", text):
            raise ValueError(f"{text} of {expression!r} is no range")
        if text in "({":
            open_.append({"(": ")", "{": "}"}[text])
        if text in ")}" and (not open_ or open_.pop() != text):
            raise ValueError(f"{text!r} closes nothing in {expression!r}")
        if kind != "space":
            found.append((kind, text))
    if open_ or not found:
        raise ValueError(f"{expression!r} ends too early")
    return found


def _matchers(tokens: list[tuple[str, str]], expression: str) -> tuple[tuple[str, str, str], ...]:
    parts = [token for token in tokens if token[1] != ","]
    made = []
    for (label_kind, label), (_, operator), (value_kind, value) in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if label_kind != "name" or operator not in ("=", "!=", "=~", "!~") or value_kind != "string":
            raise ValueError(f"{label}{operator}{value} of {expression!r} is no matcher")
        made.append((label, operator, value[1:-1]))
    return tuple(made)
