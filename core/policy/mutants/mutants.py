#!/usr/bin/env python3
"""Spoils the engine in one place at a time; the tests of this room must notice each.

    mutants.py BUILD [NUMBER...]     BUILD: a build folder with core_policy_test built in it; the sources stay as they are

Every mutant is one edit of one file: it is compiled as that file was, linked in front of the room's library, and the tests
run on it. A mutant that no test catches, or whose text is no longer in the file, fails.
"""
from __future__ import annotations

import concurrent.futures
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOM = Path(__file__).resolve().parent.parent
REPO = ROOM.parent.parent

# (file, text that is there once, text in its place, what it breaks)
MUTANTS = [
    ("engine.cc", "for (const bool deny : {true, false})", "for (const bool deny : {false, true})", "Allow wins over Deny"),
    ("engine.cc", "verdict.allow = policy.default_action == model::Action::Allow;", "verdict.allow = true;", "the default is Allow"),
    ("engine.cc", "if (!has_enforced && !(view.audit && has_audit))", "if (!has_enforced && !has_audit)", "audit policies select"),
    ("engine.cc", "segment == Route::kUnbound || claims == Claims::Missing", "segment == Route::kUnbound", "claims of nobody are compared"),
    ("engine.cc", "match.texts[claim] != path.segments[segment]", "!match.texts[claim]", "any scalar claim equals the variable"),
    ("engine.cc", "if (route.rule >= best) return best;", "", "a later rule decides"),
    ("engine.cc", "verdict.reason = helps ? Reason::token_missing : Reason::no_rule_matched;",
     "verdict.reason = token_helps ? Reason::token_missing : Reason::no_rule_matched;", "401 where no token could help"),
    ("engine.cc", "view, match.scope_only, match, Claims::Known", "view, match.scope_only, match, Claims::Unknown", "scopes blamed though when fails"),
    ("engine.cc", "judge(lookup, {false, match.first_enforced}, match)", "judge(lookup, {false, match.first}, match)", "audit-only providers give a principal"),
    ("engine.cc", "if (with_audit.allow != decision.enforced.allow)", "if (with_audit.allow)", "would-denies of audit are lost"),
    ("engine.cc", "if (to.excludes(request)) return false;", "", "not-hosts and not-paths are passed over"),
    ("engine.cc", "rule.conditions_hold(lookup.request, lookup.headers)", "true", "networks and headers are passed over"),
    ("match.cc", "if (entry.kind == FromMatch::Kind::Anyone) out.result = FromResult::Holds;", "", "anyone is nobody"),
    ("match.cc", "if (!claims || !meshauth::holds(condition, *claims)) return FromResult::Fails;",
     "if (claims && !meshauth::holds(condition, *claims)) break;", "claims that fail end the comparison"),
    ("match.cc", "wanted.any.empty() || std::any_of", "wanted.any.empty() || std::all_of", "any means all"),
    ("match.cc", "std::all_of(wanted.all.begin()", "wanted.all.empty() || std::any_of(wanted.all.begin()", "all means any"),
    ("match.cc", "!among(from.clients, identity.client)", "identity.client.empty()", "any client will do"),
    ("match.cc", "!holds(from.groups, identity.groups) || !holds(from.roles, identity.roles)",
     "!holds(from.groups, identity.groups) || !holds(from.roles, identity.groups)", "groups stand for roles"),
    ("match.cc", "out.provider = std::min(out.provider, entry.provider);", "out.provider = entry.provider;", "the last provider is named"),
    ("match.cc", "out.scope_entry = std::min(out.scope_entry, i);", "out.scope_entry = 0;", "scopes of another entry are named missing"),
    ("compiled_rules.cc", "} else if (from.provider && !out.deny) {", "} else if (from.provider) {", "an unresolved Deny matches nobody"),
    ("compiled_rules.cc", "match.kind = FromMatch::Kind::Nobody;", "", "an unresolved Allow matches everybody"),
    ("compiled_rules.cc", "policy.unresolved.count(id) == 0 && entry.unresolved.count(id) == 0", "policy.unresolved.count(id) == 0", "a reference resolves for all or none"),
    ("compiled_rules.cc", "return lines.size() == 1 && among", "return !lines.empty() && among", "the first of two headers counts"),
    ("compiled_rules.cc", "among(wanted, field_value(lines.front()))", "among(wanted, lines.front())", "a tab before a header's value counts"),
    ("compiled_rules.cc", "if (!deny) return", "return", "a header sent twice gets round a Deny"),
    ("compiled_rules.cc", "if (among(wanted, field_value(line))) return true;", "", "a value with a comma is no value to a Deny"),
    ("compiled_rules.cc", "return among(wanted, field_value(member));", "return false;", "a list gets round a Deny"),
    ("compiled_rules.cc", "if (std::none_of(blocks.begin(), blocks.end(), holds)) return false;",
     "if (!std::all_of(blocks.begin(), blocks.end(), holds)) return false;", "an address must be in every network"),
    ("compiled_rules.cc", "if (!out.audit) provider_enforced_[match.provider] = true;", "provider_enforced_[match.provider] = true;", "audit policies make a provider count"),
    ("route_index.cc", "if (!here.rest.empty()) out.add(here.rest);", "if (!here.rest.empty() && depth < path.segments.size()) out.add(here.rest);", "/x/** misses /x"),
    ("route_index.cc", "segment.empty() ? kNone : here.any", "here.any", "{name} takes an empty segment"),
    ("route_index.cc", "if (text != kNone && any != kNone) walk(any, path, depth, out);", "", "text hides {name}"),
    ("route_index.cc", 'host.find(\'.\', 1); dot', 'host.find(\'.\', 1); false && dot', "*.example.com matches no host"),
    ("route_index.cc", "find_host(host, path, out);", "", "an exact host matches no host"),
    ("route_filter.cc", "(wanted.empty() || among(wanted)) && !among(unwanted)", "wanted.empty() || among(wanted)", "not-methods and not-ports are passed over"),
    ("route_filter.cc", "return to.methods.empty(); });", "return true; });", "a method that no rule names passes"),
    ("pattern.cc", "subject.size() >= before.size() + after.size() &&", "", "a*a matches a"),
    ("pattern.cc", "return below_ ? host.size() > text_.size() &&", "return below_ ? host.size() >= text_.size() &&", "*.example.com matches .example.com"),
    ("path.cc", 'if (piece == "." || piece == "..") return true;', 'if (piece == ".") return true;', "/.. passes"),
    ("path.cc", "if (!decode_segment(pieces[i], allow, segment) || has_dots(segment)) return refused;",
     "if (!decode_segment(pieces[i], allow, segment) || has_dots(pieces[i])) return refused;", "/%2e%2e passes"),
    ("path.cc", "if (c == '/' && !allow.encoded_slash) return false;", "", "%2F passes"),
    ("path.cc", "return valid_utf8(out);", "return true;", "bad UTF-8 passes"),
    ("host.cc", "if (name.ends_with('.')) name.pop_back();", "", "a trailing dot makes another host"),
    ("policy_reader.cc", "if (seen_ != object_.size())", "if (seen_ > object_.size())", "unknown members of policy.json are passed over"),
]
EQUIVALENT: set[str] = set()

DECISIONS = "50000"


def compile_command(build: Path, source: Path) -> list[str]:
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if Path(entry["directory"], entry["file"]).resolve() == source:
            return shlex.split(entry["command"])
    raise SystemExit(f"{source} is not in {build}/compile_commands.json")


def link_command(build: Path) -> str:
    out = subprocess.run(["ninja", "-C", str(build), "-t", "commands", "-s", "test/core_policy_test"], check=True, capture_output=True, text=True)
    line = [line for line in out.stdout.splitlines() if "core_policy_test" in line][-1]
    return line.split("&&", 1)[1].rsplit("&&", 1)[0].strip() if "&&" in line else line


def run(build: Path, mutant: tuple[str, str, str, str]) -> str:
    """What is wrong with the mutant, "" if the tests catch it."""
    name, old, new, _ = mutant
    source = ROOM / name
    text = source.read_text()
    if text.count(old) != 1:
        return f"{name} has the text {text.count(old)} times: {old}"
    with tempfile.TemporaryDirectory() as folder:
        spoilt, made, program = (Path(folder, part) for part in (name, name + ".o", "test"))
        spoilt.write_text(text.replace(old, new))
        command = compile_command(build, source)
        command[command.index("-o") + 1] = str(made)
        command[command.index("-c") + 1] = str(spoilt)
        compiled = subprocess.run([*command, "-w"], cwd=build, capture_output=True, text=True)
        if compiled.returncode:
            return "does not compile: " + compiled.stderr[:2000]
        link = shlex.split(link_command(build))
        link[link.index("-o") + 1] = str(program)
        link.insert(link.index("-o"), str(made))
        subprocess.run(link, cwd=build, check=True, capture_output=True)
        try:
            tested = subprocess.run([program, "--abort-after=1"], capture_output=True, timeout=300,
                                    env={**os.environ, "MESH_AUTH_DECISIONS": DECISIONS})
        except subprocess.TimeoutExpired:
            return ""  # a mutant that never ends is noticed
        return "" if tested.returncode else "no test catches it"


def main() -> int:
    build = Path(sys.argv[1]).resolve()
    chosen = [int(number) for number in sys.argv[2:]] or range(len(MUTANTS))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for number, wrong in zip(chosen, pool.map(lambda number: run(build, MUTANTS[number]), chosen)):
            file, _, _, breaks = MUTANTS[number]
            expected = "no test catches it" if breaks in EQUIVALENT else ""
            print(f"{'ok  ' if wrong == expected else 'FAIL'} {number:2} {file}: {breaks}{': ' + wrong if wrong else ''}", flush=True)
            failed += wrong != expected
    print(f"{len(chosen) - failed} of {len(chosen)} mutants are as they should be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
