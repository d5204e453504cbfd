"""What our module costs an nginx worker beside requests: python bench/worker.py (make bench).

- A swap of bundles with 1,000 rules and 20 keys: time on the core of the worker's event loop from the bundle's coming to
  its being in force, the largest of SWAPS. That is more than the longest single hold: the look at the folder and the swap
  are two. What is parsed in the pool's thread does not count, since it holds nobody. Time on the core, since a wall clock
  would measure the machine; the module's own wall clock of the swap alone is told beside it.
- Memory: bytes that the worker alone has written to (Private_Dirty), with TOKENS distinct tokens cached and asked for again, over
  one.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from proxies import BUILD, Proxy, Stand
from rows import finish, row
from tokens import ISSUER, Issuer, b64

RULES, KEYS, SWAPS = 1000, 20, 200
TOKENS, ROUNDS, BATCH = 10_000, 3, 50
CACHE = "64m"  # holds them all: the default of 16m bounds what the entries take, so it would hold its own bar
SWAP_BAR, MEMORY_BAR = 2.0, 16.0  # milliseconds, MiB


# --- a bundle of that size


def resource(kind: str, name: str, spec: dict) -> dict:
    return {"apiVersion": "meshauth.dev/v1alpha1", "kind": kind, "metadata": {"namespace": "shop", "name": name}, "spec": spec}


def resources(jwks: str, version: int) -> list[dict]:
    """The provider, and the policies of the benchmark's one generator of rules."""
    printed = subprocess.run([BUILD / "bin" / "bench_rules", str(RULES), str(version)], check=True, capture_output=True).stdout
    policies = json.loads(printed)["policies"]
    for each in (each for policy in policies for rule in policy["rules"] for each in rule["from"]):
        each["identityProvider"] = {"name": each.pop("provider").removeprefix("shop/")}
    idp = resource("IdentityProvider", "idp", {"issuer": ISSUER, "audiences": ["api"], "jwks": {"inline": jwks}})
    return [idp, *(resource("AccessPolicy", policy["id"].removeprefix("shop/"), {"rules": policy["rules"]}) for policy in policies)]


def key_set() -> str:
    def key(number: int) -> dict:
        numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers()
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": f"key-{number}", "n": b64(numbers.n.to_bytes(256, "big")), "e": "AQAB"}

    return json.dumps({"keys": [key(number) for number in range(KEYS)]})


def write_bundle(folder: Path, signing: Path, sequence: int, objects: list[dict]) -> str:
    """Its revision, which is current from now on."""
    argv: list[str | Path] = [BUILD / "test" / "mesh-auth-bundle-tool", "bundle", folder, "--key", signing, "--sequence", str(sequence)]
    with tempfile.TemporaryDirectory() as place:
        for number, each in enumerate(objects):
            file = Path(place) / f"{number}.json"
            file.write_text(json.dumps(each))
            argv += ["--resource", file]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def point_to(folder: Path, revision: str) -> None:
    following = folder / "next"
    following.symlink_to(f"revisions/{revision}")
    following.rename(folder / "current")


# --- swaps


class EventLoop:
    """A worker's first thread: the one that its requests wait for."""

    def __init__(self, pid: int) -> None:
        self._task = Path(f"/proc/{pid}/task/{pid}")

    def seconds(self) -> float:
        """On a core, once it sleeps: only then is the count up to date."""
        while self._task.joinpath("stat").read_text().rsplit(") ", 1)[1][0] != "S":
            time.sleep(0.0001)
        return int(self._task.joinpath("schedstat").read_text().split()[0]) / 1e9


def swaps(stand: Stand) -> list[dict]:
    folder = stand.place()
    jwks = key_set()
    revisions = [write_bundle(folder, stand.folder / "signing.pem", version, resources(jwks, version)) for version in (1, 2)]
    agent = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    agent.bind(str(stand.folder / "agent.sock"))
    agent.settimeout(30)
    proxy = stand.module(bundle=folder, http=f"mesh_auth_agent unix:{stand.folder}/agent.sock;")

    def reported(revision: str) -> dict:
        while True:
            report = json.loads(agent.recv(65536))
            if report.get("revision") == revision and report["type"] in ("hello", "swapped"):
                return report

    reported(revisions[1])
    loop, held, told = EventLoop(proxy.pids[0]), [], []
    for number in range(SWAPS):
        before = loop.seconds()
        point_to(folder, revisions[number % 2])
        told.append(reported(revisions[number % 2])["swapMs"])
        held.append((loop.seconds() - before) * 1000)
    proxy.stop()
    what = f"of a swap with {RULES:,} rules and {KEYS} keys"
    return [
        row(f"event loop's time on the core, the most {what}", max(held), held, "ms", SWAP_BAR),
        row(f"event loop's time on the core, the middle {what}", statistics.median(held), held, "ms"),
        row(f"wall clock by the module, the middle {what}", statistics.median(told), told, "ms"),
    ]


# --- memory


def private_dirty_mib(proxy: Proxy) -> float:
    text = Path(f"/proc/{proxy.pids[0]}/smaps_rollup").read_text()
    return int(text.split("Private_Dirty:")[1].split()[0]) / 1024


def send(port: int, tokens: list[str]) -> None:
    """Each once, BATCH at a time on one connection; all must be answered 200."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        for at in range(0, len(tokens), BATCH):
            batch = tokens[at : at + BATCH]
            asked = "".join(f"GET /orders/7 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n" for token in batch)
            connection.sendall(asked.encode())
            answered = b""
            while answered.count(b"HTTP/1.1 ") < len(batch) or not answered.endswith(b"ok"):
                answered += connection.recv(1 << 20)
            if answered.count(b"HTTP/1.1 200 ") != len(batch):
                raise RuntimeError(f"not all were answered 200: {answered[:300]!r}")


def memory(stand: Stand) -> list[dict]:
    tokens = stand.issuer.tokens(TOKENS)
    used = []
    for _ in range(ROUNDS):
        proxy = stand.module(http=f"mesh_auth_token_cache {CACHE};")
        send(proxy.port, tokens[:1] * 10 * BATCH)  # nginx's own buffers
        before = private_dirty_mib(proxy)
        for _ in range(3):  # what comes again has its answer kept, too
            send(proxy.port, tokens)
        used.append(private_dirty_mib(proxy) - before)
        proxy.stop()
    each = [mib * (1 << 20) / TOKENS for mib in used]
    return [
        row(f"memory per worker for {TOKENS:,} cached tokens", max(used), used, "MiB", MEMORY_BAR),
        row(f"memory for one cached token of {len(tokens[0])} bytes", max(each), each, "bytes"),
    ]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="mesh-auth-bench-") as folder:
        os.chmod(folder, 0o755)
        stand = Stand(Path(folder), Issuer())
        application = stand.serve()
        try:
            return finish("worker", swaps(stand) + memory(stand))
        finally:
            application.stop()


if __name__ == "__main__":
    sys.exit(main())
