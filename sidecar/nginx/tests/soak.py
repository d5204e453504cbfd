#!/usr/bin/env python3
"""The module for a long time: mixed and hostile requests to the nginx that the agent configures, while bundles are swapped and
nginx is reloaded; then a thousand swaps in one worker, whose memory must not grow.

    soak.py [MODULE] [--requests N] [--swaps N] [--reloads N] [--steady N] [--wrapper COMMAND] [--seed N]

A sanitized module: MESH_AUTH_NGINX_PRELOAD names its runtime. Under Valgrind: --wrapper valgrind, MESH_AUTH_SLOWNESS=20.
Ends with 1 and what was wrong: a crash, a complaint of a sanitizer, a request that reached the application without being
allowed, a worker that does not end, memory that grows."""

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", nargs="?", help="default: MESH_AUTH_MODULE, or the one in MESH_AUTH_BUILD")
    parser.add_argument("--requests", type=int, default=20_000, help="mixed ones")
    parser.add_argument("--swaps", type=int, default=200, help="of bundles, spread over the requests")
    parser.add_argument("--reloads", type=int, default=10, help="of nginx, spread over the requests, each with another auth.conf")
    parser.add_argument("--steady", type=int, default=1000, help="swaps in one worker afterwards, whose memory is measured; 0: none")
    parser.add_argument("--wrapper", default="", help="runs nginx: valgrind")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    return parser.parse_args()


if __name__ == "__main__":  # harness reads the environment when it is imported
    ARGUMENTS = options()
    if ARGUMENTS.module:
        os.environ["MESH_AUTH_MODULE"] = ARGUMENTS.module

import h2
import harness
import rendered
import spoofs
import targets
import test_spoofs
from forged import tokens
from harness import AgentSocket, BundleFolder, wait_until
from rawhttp import RawClient, RawUpstream, parse_response
from rendered import Decided
from resources import Key, caller, policy, provider
from worlds import SOURCES, World, presented

VALGRIND = ["valgrind", "--trace-children=yes", "--leak-check=full", "--show-leak-kinds=definite", "--num-callers=30"]
VALGRIND += ["--errors-for-leak-kinds=none"]  # nginx and what it loads lose some when they begin: ours are looked for below
WEBSOCKET_KEY = Key("w1")
TUNNELS = 40  # that stand at once
LEAST_RAN = 0.75  # of the swaps: where two follow each other at once, nobody runs the first
GROWTH = 1.05  # memory after all steady swaps, against that after the first tenth


def websockets():
    """Who may open a WebSocket, until the very end of the token."""
    spec = {"issuer": "https://ws.test", "tokenSources": [{"header": "X-Ws-Token"}], "clockSkew": "0s"}
    rule = {"name": "ws", "action": "Allow", "from": [caller("ws")], "to": [{"paths": ["/ws"]}]}
    return [provider("ws", WEBSOCKET_KEY, **spec), policy("ws", [rule])]


class Slow:
    """A request that is sent piece by piece, now and then, so that it lives through swaps and reloads."""

    def __init__(self, port, data, pieces):
        self.socket = RawClient(port)
        self.socket._open()
        size = len(data) // pieces + 1
        self.left = [data[i : i + size] for i in range(0, len(data), size)]

    def step(self):
        """Sends a piece. After the last: the answer, or None where nginx closed."""
        try:
            self.socket.socket.sendall(self.left.pop(0))
        except ConnectionError:
            self.left = []
        return not self.left

    def answer(self):
        open_still = True
        while not (parsed := parse_response(self.socket.buffer, "GET", not open_still)):
            if not open_still:
                return None
            open_still = self.socket._receive()
        self.socket.close()
        return parsed[0]


class Soak:
    def __init__(self, root, seed, wrapper=()):
        self.root, self.rnd = root, random.Random(seed)
        self.application = RawUpstream()
        self.agent = AgentSocket(root / "agent.sock")
        self.folder = BundleFolder(root)
        self.identities = [rendered.auth_conf(*test_spoofs.HEADERS), rendered.auth_conf("X-Tenant", *test_spoofs.HEADERS)]
        self.identity = 0
        self.worlds = [World(self.rnd, tokens=40) for _ in range(8)]
        self.tokens = {name: token.encode() for name, token in tokens().items()}
        self.make_revisions()
        self.current = self.revisions[-1]
        harness.Nginx.wrapper = tuple(wrapper)
        self.nginx = rendered.start(root, self.folder, self.application.port, identity=self.identities[0])
        wait_until(lambda: self.agent.running(self.current), "the first bundle")
        self.client, self.http2 = RawClient(self.nginx.port), h2.H2Client(self.nginx.ports["h2"])
        self.log = rendered.DecidedLog(root)
        self.slow, self.tunnels = [], []
        self.swapped = False  # since the last count
        self.counted = Counter()
        self.may_reach = 0  # requests that were allowed, or whose answer nobody read

    def make_revisions(self):
        """Bundles for the auth.conf that nginx runs with: random worlds, and that of the spoofs. The last one is current."""
        sets = [[*world.resources, *websockets()] for world in self.worlds] + [[*test_spoofs.resources(), *websockets()]]
        conf = self.identities[self.identity]
        self.revisions = [self.folder.write(*resources, auth_conf=conf) for resources in sets]
        self.current = self.revisions[-1]

    # --- requests ---

    def plain(self):
        return self.rnd.choice(self.worlds).request(self.rnd).bytes()

    def hostile_target(self):
        raw = targets.target(self.rnd, [["public", "x"], ["users", "alice"], ["admin"], [""]])
        return b"GET %b HTTP/1.1\r\nHost: h.test\r\n\r\n" % raw

    def spoofed(self):
        """A spoof, with tokens of the spoofs' own world or of another one."""
        sent = self.rnd.choice(SINGLE).sent
        own = self.tokens if self.rnd.random() < 0.7 else {name: token.encode() for name, token in self.rnd.choice(self.worlds).tokens}
        return test_spoofs.filled(sent, own)

    def posted(self):
        body = self.rnd.randbytes(self.rnd.choice((0, 10, 1000, 70_000)))
        lines = [f"POST /things HTTP/1.1\r\nHost: h.test\r\nContent-Length: {len(body)}"]
        name, token = self.rnd.choice(self.rnd.choice(self.worlds).tokens)
        lines += [f"{key}: {value}" for key, value in presented(self.rnd, name, token)]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def ask_one(self, data):
        """What must hold of every answer: only what was allowed reached the application, and as it was sent."""
        answer = self.client.ask(data, method_of(data))
        decided = Decided.of(answer)
        say = f"{data[:500]!r}: {answer.status}, {decided}"
        assert answer.status in (0, 100, 200, 400, 401, 403, 405, 413, 414, 501, 505), f"{say}\n{self.nginx.log()[-2000:]}"
        assert answer.status != 200 or decided.decision == "allow", say
        if answer.status == 200:
            got = self.application.requests[int(answer.header("x-number"))]
            assert got.target.split(b"?")[0].lstrip(b"/") in data.split(b"\r\n")[0], f"{say}, upstream got {got.head!r}"
        self.counted[decided.reason or decided.decision or "nginx"] += 1
        self.may_reach += decided.decision == "allow" or answer.status == 0

    def ask(self):
        kind = self.rnd.random()
        if kind < 0.4:
            self.ask_one(self.plain())
        elif kind < 0.6:
            self.ask_one(self.hostile_target())
        elif kind < 0.75:
            self.ask_one(self.spoofed())
        elif kind < 0.8:
            self.ask_one(self.posted())
        elif kind < 0.92:
            self.over_http2()
        elif kind < 0.94:
            self.give_up()
        elif kind < 0.96:
            self.slow.append(Slow(self.nginx.port, self.posted(), self.rnd.randint(2, 20)))
            self.may_reach += 1
        elif kind < 0.962:
            self.open_tunnel()
        for one in [one for one in self.slow if self.rnd.random() < 0.05]:
            self.step(one)

    def over_http2(self):
        request = self.rnd.choice(self.worlds).request(self.rnd)
        spoof = self.rnd.choice(OVER_HTTP2)
        if self.rnd.random() < 0.7:
            named = [(key.lower().encode(), value.encode()) for key, value in request.headers]
            fields = h2.fields(request.target.encode(), *named, method=request.method.encode(), authority=request.host.encode())
            answer = self.http2.ask(fields)
        else:
            answer = self.http2.ask([(name, test_spoofs.filled(value, self.tokens)) for name, value in spoof.sent], spoof.body)
        self.counted[f"HTTP/2 {answer.status}"] += 1
        self.may_reach += answer.status in (None, 200)
        if answer.status == 503:  # the worker of before has the connection, and ends it now: once after a reload
            assert self.log.of(*self.http2.last)[1].reason == "no_bundle" and self.counted["HTTP/2 503"] <= self.counted["reloads"]
        assert answer.status in (None, 200, 400, 401, 403, 405, 413, 414, 503), answer

    def give_up(self):
        """A client that goes away in the middle of its request, or before its answer."""
        data = self.rnd.choice((self.plain, self.posted, self.spoofed))()
        gone = RawClient(self.nginx.port)
        gone._open()
        try:
            gone.socket.sendall(data[: self.rnd.randrange(1, len(data) + 1)])
        except ConnectionError:
            pass
        gone.close()
        self.counted["given up"] += 1
        self.may_reach += 1

    def step(self, one):
        if one.step():
            self.slow.remove(one)
            answer = one.answer()
            assert answer is None or answer.status in (200, 400, 401, 403, 503), answer.status
            self.counted[f"slow {answer and answer.status}"] += 1

    def open_tunnel(self):
        """A WebSocket whose token is over within seconds."""
        token = WEBSOCKET_KEY.token(iss="https://ws.test", exp=int(time.time()) + self.rnd.choice((1, 2, 600)))
        lines = ["GET /ws HTTP/1.1", "Host: h.test", "Connection: Upgrade", "Upgrade: websocket", f"X-Ws-Token: {token}"]
        tunnel = RawClient(self.nginx.port)
        answer = tunnel.ask("\r\n".join(lines).encode() + b"\r\n\r\n")
        self.counted[f"upgraded {answer.status}"] += 1
        if answer.status == 101:
            self.may_reach += 1
            tunnel.socket.sendall(b"ping")
            self.tunnels.append(tunnel)
        if len(self.tunnels) > TUNNELS:
            self.tunnels.pop(0).close()

    # --- what changes meanwhile ---

    def swap(self):
        """To another of the revisions; often before the one before was read."""
        self.count_swap()
        self.current = self.rnd.choice([one for one in self.revisions if one != self.current])
        self.folder.point_to(self.current)
        self.counted["swaps"] += 1
        self.swapped = True
        if self.rnd.random() < 0.5:
            pids = set(self.nginx.workers())
            wait_until(lambda: self.agent.running(self.current) & pids, "the swap")

    def count_swap(self):
        """Before the next change: did a worker run what the last swap was to?"""
        self.counted["swaps that a worker ran"] += self.swapped and bool(self.agent.running(self.current))
        self.swapped = False

    def reload(self):
        """nginx gets the other auth.conf; workers of before end once their requests have."""
        self.count_swap()
        old = set(self.nginx.workers())
        self.identity ^= 1
        conf, place = self.identities[self.identity], self.root / "agent"
        self.make_revisions()  # wait in the old workers
        (place / "auth.conf").write_text(conf)
        (place / "auth.digest.conf").write_text(f"mesh_auth_conf {rendered.digest(conf)};\n")
        self.nginx.reload()
        wait_until(lambda: self.agent.running(self.current) - old, "a new worker", 30)
        self.counted["reloads"] += 1
        while self.slow and self.rnd.random() < 0.7:
            self.step(self.slow[0])

    def drained(self):
        """Every request ends, and with them every worker but one."""
        while self.slow:
            self.step(self.slow[0])
        for tunnel in self.tunnels:
            tunnel.close()
        self.client.close()
        self.http2.close()
        wait_until(lambda: len(self.nginx.workers()) == 1, lambda: f"one worker, not {self.nginx.workers()}", 30)

    def mixed(self, requests, swaps, reloads):
        at = {n * requests // (swaps + 1): self.swap for n in range(1, swaps + 1)}
        at.update({n * requests // (reloads + 1): self.reload for n in range(1, reloads + 1)})
        begin = time.monotonic()
        for number in range(requests):
            if number in at:
                at[number]()
            self.ask()
            if number % 10_000 == 9_999:
                print(f"{number + 1} requests in {time.monotonic() - begin:.0f} s", flush=True)
                self.forget()
            if self.application.faults:
                raise AssertionError(self.application.faults)
        self.count_swap()
        self.drained()
        ran, asked = self.counted["swaps that a worker ran"], self.counted["swaps"]
        assert ran >= asked * LEAST_RAN, f"of {asked} swaps workers ran {ran}"

    def forget(self):
        """Of requests and reports that nobody looks at again only the number stays."""
        for kept in (self.application.requests, self.agent.reports):
            for number in range(len(kept)):
                kept[number] = None
        self.log.forget()

    # --- memory ---

    def memory(self):
        """KiB of the worker: resident, and of that its own."""
        (pid,) = self.nginx.workers()
        lines = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
        sizes = {line[0]: int(line[1]) for line in lines}
        return sizes["Rss:"], sizes["Private_Dirty:"]

    def swap_to(self, revision):
        if revision == self.current:
            return
        seen = len(self.agent.reports)
        self.folder.point_to(revision)
        self.current = revision
        wait_until(lambda: any(r.get("revision") == revision for r in self.agent.of_type("swapped", seen)), "a swap")

    def steady(self, swaps):
        """KiB after each tenth of the swaps; each is waited for, and a few requests meet it."""
        for revision in self.revisions:  # first the token cache gets all that it will ever hold
            self.swap_to(revision)
            for world in self.worlds:
                for name, token in world.tokens:
                    lines = "".join(f"{key}: {value}\r\n" for key, value in presented(self.rnd, name, token))
                    self.ask_one(f"GET /me HTTP/1.1\r\nHost: h.test\r\n{lines}\r\n".encode())
        sizes = []
        for number in range(swaps):
            self.swap_to(self.revisions[number % len(self.revisions)])
            for _ in range(4):
                self.ask_one(self.plain())
            if (number + 1) % (swaps // 10) == 0:
                sizes.append(self.memory())
        return sizes

    # --- the end ---

    def close(self):
        """What was wrong, as sentences."""
        for one in [*(one.socket for one in self.slow), *self.tunnels, self.client, self.http2]:
            one.close()
        problems = [line for line in self.nginx.stop() if "setrlimit(RLIMIT_NOFILE" not in line]  # Valgrind keeps some
        # UBSan writes to nginx's own log, and its runtime ends the worker without a signal.
        problems += [line for line in self.nginx.log().splitlines() if re.search(r"runtime error: |Sanitizer: |exited with code [1-9]", line)]
        problems += self.application.faults
        if len(self.application.requests) > self.may_reach:
            problems.append(f"{len(self.application.requests)} requests reached the application, {self.may_reach} might have")
        self.application.close()
        self.agent.close()
        for file in sorted(self.root.glob("sanitizer.*")):
            problems.append(file.read_text())
        for file in sorted(self.root.glob("valgrind.*")):
            text = re.sub(r"(?m)^==\d+== ?", "", file.read_text())
            if "ERROR SUMMARY: 0 errors" not in text:
                problems.append(f"{file.name}:\n{text[:6000]}")
            lost = [part for part in text.split("\n\n") if "definitely lost in loss record" in part and re.search("meshauth::|mesh_auth", part)]
            problems += [f"{file.name}:\n{part}" for part in lost]
            self.counted["processes under Valgrind"] += 1
        if harness.Nginx.wrapper[:1] == ("valgrind",) and self.counted["processes under Valgrind"] <= self.counted["reloads"]:
            problems.append(f"{self.counted['processes under Valgrind']} processes ran under Valgrind, after {self.counted['reloads']} reloads")
        return problems


def method_of(data):
    return data.split(b" ", 1)[0].decode("latin-1")


# Spoofs that are one request, and get one answer.
SINGLE = [s for s in spoofs.SPOOFS if s.over == "http1" and isinstance(s.sent, bytes) and len(s.wants()) == 1 and not s.id.endswith("-then-next")]
OVER_HTTP2 = [s for s in spoofs.SPOOFS if s.over == "h2"]


def main(arguments):
    print(f"soak: SEED={arguments.seed}, module {harness.MODULE}", flush=True)
    root = Path(tempfile.mkdtemp(prefix="mesh-auth-"))
    root.chmod(0o755)
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        given = harness.NGINX_ENVIRONMENT.get(name, "")
        harness.NGINX_ENVIRONMENT[name] = f"{given}{':' if given else ''}log_path={root}/sanitizer:print_stacktrace=1"
    wrapper = [*VALGRIND, f"--log-file={root}/valgrind.%p"] if arguments.wrapper == "valgrind" else arguments.wrapper.split()
    soak = Soak(root, arguments.seed, wrapper)
    problems = []
    try:
        soak.mixed(arguments.requests, arguments.swaps, arguments.reloads)
        if arguments.steady:
            sizes = soak.steady(arguments.steady)
            (early, _), (late, _) = sizes[0], sizes[-1]
            print(f"memory in KiB (resident, private) after each {arguments.steady // 10} swaps: {sizes}, {late / early - 1:+.1%} in all")
            if late > early * GROWTH:
                problems.append("the worker grows")
    finally:
        problems += soak.close()
        print(dict(soak.counted.most_common()))
        print("\n".join(problems) or "nothing was wrong")
    shutil.rmtree(root)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(ARGUMENTS))
