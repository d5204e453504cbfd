"""From a provider's rotation without notice to its new tokens accepted: python e2e/bench_rotation.py [ROTATIONS] (make bench-smoke).

On the real API server, with the operator and one sidecar with two nginx workers. Twice:
- nobody asked within minRefetchInterval: seconds from the first request with the new kid, which is refused, until a
  client has seen every worker accept it (asked in turn without a pause). The provider is asked once for each rotation.
- amid a flood of forged tokens, each with a random kid, the provider rotates just after it was asked, so that a whole
  minRefetchInterval lies before the next fetch: seconds from the rotation.
Exits with 1 if a figure is over its bar.
"""

from __future__ import annotations

import statistics
import sys
import time

from harness import tools
from harness.bad_idp import JWKS, BadIdp, SigningKey
from harness.bench import connections_to_each_worker, row, standing, write_rows
from harness.flood import Flood
from harness.load import Connection
from harness.mesh import Mesh
from harness.pki import Authority
from harness.resources import caller, rule
from harness.wait import await_until

ROTATIONS = 20
WORKERS = 2
INTERVAL = 2  # seconds: minRefetchInterval
BAR = 2.0  # seconds
TOO_LONG = 60.0
REPORT = tools.REPO / "build" / "bench" / "rotation.json"


def accepted_everywhere(connections: list[Connection], token: str) -> None:
    began = time.perf_counter()
    waiting = list(connections)
    while waiting:
        waiting = [connection for connection in waiting if connection.get("/", token) != 200]
        assert time.perf_counter() - began < TOO_LONG, "the new key was not accepted within a minute"


class Bench:
    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.idp = BadIdp(Authority(mesh.folder / "providers", "providers"))
        mesh.provider(self.idp, rotation={"refreshInterval": "1h", "minRefetchInterval": f"{INTERVAL}s"})
        mesh.policy("all", rule("all", caller()))
        self.sidecar = mesh.sidecar("orders", f"--workers={WORKERS}")
        self.sidecar.await_answer(200, token=self.idp.token())
        self.connections = connections_to_each_worker(self.sidecar, WORKERS, "/")

    def quiet(self, key: SigningKey) -> float:
        fetched, asked = self.idp.requests(JWKS), time.monotonic()
        await_until("minRefetchInterval has passed", lambda: time.monotonic() - asked > INTERVAL)
        self.idp.rotate_without_notice(key)
        token = self.idp.token()
        began = time.perf_counter()
        assert self.connections[0].get("/", token) == 401, "the provider had been asked"
        accepted_everywhere(self.connections, token)
        seconds = time.perf_counter() - began
        assert self.idp.requests(JWKS) - fetched == 1, "more than one fetch for one rotation"
        return seconds

    def amid_a_flood(self, key: SigningKey) -> float:
        fetched = self.idp.requests(JWKS)
        await_until("the flood causes a fetch", lambda: self.idp.requests(JWKS) > fetched, 3 * INTERVAL, every=0.001)
        self.idp.rotate_without_notice(key)
        began = time.perf_counter()
        accepted_everywhere(self.connections, self.idp.token())
        return time.perf_counter() - began


def run(rotations: int) -> int:
    keys = [SigningKey(f"key-{number}") for number in range(2 * rotations)]
    with standing(REPORT.parent / "logs") as mesh:
        bench = Bench(mesh)
        quiet = sorted(bench.quiet(key) for key in keys[:rotations])
        flood = Flood(mesh.supervisor, mesh.folder / "flood", bench.sidecar, bench.idp.claims(exp=int(time.time()) + 7200), pause=1)
        flooded = sorted(bench.amid_a_flood(key) for key in keys[rotations:])
        flood.stop()
        bench.idp.close()
    rows = []
    for what, seconds, bar in (
        ("rotation without notice: first miss to accepted", quiet, BAR),
        (f"rotation amid random kids, minRefetchInterval {INTERVAL} s: to accepted", flooded, INTERVAL + BAR),
    ):
        middle, most, spread = statistics.median(seconds), seconds[-1], [seconds[0], seconds[-1]]
        print(f"{what}, {rotations} rotations: p50 {middle:.2f} s, most {most:.2f} s, at most {bar:g} s")
        rows += [row(f"{what}, p50", middle, spread, "s", bar), row(f"{what}, most", most, spread, "s", bar)]
    write_rows(REPORT, rows)
    return 0 if all(each["holds"] for each in rows) else 1


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]) if len(sys.argv) > 1 else ROTATIONS))
