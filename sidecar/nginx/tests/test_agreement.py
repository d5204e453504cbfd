"""nginx and `meshauthctl` give the same answer, with the same reason by the same rule, to 10,000 random triples of policy, token
and request. What nginx answered is what the cases of `meshauthctl test` want, which asks what `decide` asks (`answer` in
cli/offline.h), and is told the claims alone of a part of the callers; a thousand are put to `decide` itself, one program each.

Seeded: SEED=N repeats a run. MORE=N multiplies it."""

import json
import os
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

import rendered
from flavours import FLAVOURS, status_of_ours
from harness import BUILD, wait_until
from rawhttp import RawClient
from rendered import Decided
from worlds import ADDRESSES, World

MESHAUTHCTL = BUILD / "bin" / "meshauthctl"
MORE = int(os.environ.get("MORE", "1"))
WORLDS, REQUESTS, DECIDES = 25, 400, 20


@pytest.fixture(params=FLAVOURS)
def nginx(request, root, folder, agent, application):
    folder.write()
    running = rendered.start(root, folder, application.port, flavour=request.param)
    running.runs = agent.running if request.param == "Module" else running.agent.running
    yield running
    assert running.stop() == []


def ctl(*args):
    assert MESHAUTHCTL.exists(), f"{MESHAUTHCTL} is missing: build it first"
    return subprocess.run([MESHAUTHCTL, *args], capture_output=True, text=True, timeout=120)


def ask_nginx(world, rnd, flavour, clients, application):
    """REQUESTS requests that we decided about, and what a case wants of each: all that nginx said."""
    asked = []
    while len(asked) < REQUESTS:
        request = world.request(rnd)
        before = len(application.requests)
        answer = clients[request.source].ask(request.bytes(), request.method)
        decided = Decided.of(answer)
        assert (len(application.requests) > before) == (decided.decision == "allow"), request.bytes()
        if decided.decision:
            status = status_of_ours(flavour, answer.status, decided.reason)
            want = {"decision": decided.decision, "status": status, "reason": decided.reason}
            asked.append((request, {**want, "policy": decided.policy, "rule": decided.rule}))
        else:
            assert answer.status == 400, request.bytes()  # nginx refused it before anybody was asked
    return asked


def check_decide(manifest, request, want):
    headers = [part for name, value in request.headers for part in ("--header", f"{name}: {value}")]
    done = ctl("decide", "-f", manifest, "--workload", "shop/orders", "--method", request.method, "--path", request.target,
               "--host", request.host, "--port", "8080", "--source", request.source, *headers)  # fmt: skip
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    assert {key: said[key] for key in want} == want, (request.bytes(), done.stderr)


def test_nginx_and_meshauthctl_agree(rnd, root, folder, agent, application, nginx):
    clients = {address: RawClient(nginx.port, address) for address in ADDRESSES}
    seen, by_claims, begin, world = Counter(), Counter(), time.monotonic(), None
    for number in range(WORLDS * MORE):
        world = World(rnd, before=world)
        world.write(root / "world.yaml")
        revision = folder.write(*world.resources)
        wait_until(lambda: nginx.runs(revision), "the world is in force")
        asked = ask_nginx(world, rnd, nginx.flavour, clients, application)
        seen.update(want["reason"] or want["decision"] for _, want in asked)
        by_claims.update(want["reason"] or want["decision"] for request, want in asked if request.known)
        cases = [request.case(f"{i}", want) for i, (request, want) in enumerate(asked)]
        (root / "cases.yaml").write_text(json.dumps({"cases": cases}))
        done = ctl("test", "-f", root / "world.yaml", root / "cases.yaml")
        failures = [line for line in done.stdout.splitlines() if line.startswith(("FAIL", " "))]
        failed = [asked[int(line.split()[1])][0].bytes() for line in failures if line.startswith("FAIL")]
        assert done.returncode == 0, f"world {number}: {done.stderr}\n" + "\n".join(failures[:40]) + f"\n{failed[:3]}"
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            some = rnd.sample(asked, DECIDES)
            list(pool.map(lambda one: check_decide(root / "world.yaml", *one), some))
    for client in clients.values():
        client.close()
    print(f"{WORLDS * MORE * REQUESTS} in {time.monotonic() - begin:.0f} s: {dict(seen.most_common())}, by claims {dict(by_claims.most_common())}")
    few = {"allow": 100, "no_rule_matched": 100, "denied_by_rule": 20, "token_missing": 20, "path_ambiguous": 20}
    assert all(seen[name] >= least for name, least in few.items()) and len(seen) >= 15, seen
    few = {"allow": 100, "no_rule_matched": 100, "denied_by_rule": 10, "issuer_unknown": 20}
    assert all(by_claims[name] >= least for name, least in few.items()), by_claims
