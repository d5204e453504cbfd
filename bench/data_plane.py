"""What a request costs, ours beside its peers: python bench/data_plane.py [--minutes N] (make bench).

The figure is the time that the proxy's worker spent on its core for one request, by the scheduler's count. The proxies have
core 0, load and application core 1, which never sleeps meanwhile: waking a virtual core costs whoever sends to it
microseconds, and a slower proxy would let it sleep more often. Uncached: each of the distinct tokens is sent once, to a
fresh program. In a round bench_load asks each proxy for a slice of requests, in turn, again and again (the others have
nothing to do meanwhile), so that what the machine does falls on all alike: a slice is a few milliseconds, for the core's
pace changes within tens of them. Bare verifications are slices too. Rounds go on until the interval is narrow enough or
time is up. A round in which a request failed is an error, and no other round is
dropped. A bar holds where the bad end of the 95 % interval does.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from proxies import BUILD, LOAD_CORE, PROXY_CORE, Proxy, Stand, missing
from tokens import Issuer

REPORT = BUILD / "bench" / "data_plane.json"
CACHED_TOKENS, DISTINCT_TOKENS = 300, 8000
ROUND, SLICE = 12000, 250  # requests with cached tokens to one proxy; at a time
LEAST_ROUNDS = 11
SAME_TARGET, NEW_TARGET = "/orders/7", "/orders/#"  # "#": the request's number
# Student's t for 95 %, by degrees of freedom; beyond the list it is near enough to 1.96.
T95 = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09, 2.09]


@dataclass
class Row:
    what: str
    unit: str
    bar: float | None  # None: it is only told
    above: bool  # the figure must be at least the bar, else at most
    narrow: float  # the half-width that is wanted
    values: list[float] = field(default_factory=list)

    def mean(self) -> float:
        return statistics.fmean(self.values)

    def half_width(self) -> float:
        count = len(self.values)
        if count < 2:
            return math.inf
        t = T95[count - 2] if count - 2 < len(T95) else 1.96
        return t * statistics.stdev(self.values) / math.sqrt(count)

    def measured(self) -> bool:
        return len(self.values) >= LEAST_ROUNDS and self.half_width() <= self.narrow

    def holds(self) -> bool:
        if self.bar is None:
            return self.measured()
        bad_end = self.mean() - self.half_width() if self.above else self.mean() + self.half_width()
        return self.measured() and (bad_end >= self.bar if self.above else bad_end <= self.bar)

    def json(self) -> dict:
        low, high = self.mean() - self.half_width(), self.mean() + self.half_width()
        return {"what": self.what, "value": self.mean(), "spread": [low, high], "unit": self.unit, "bar": self.bar, "holds": self.holds(),
                "rounds": len(self.values), **({} if self.measured() else {"note": "not measured: the interval is too wide"})}


@contextmanager
def running(start: dict[str, Callable[[], Proxy]]) -> Iterator[dict[str, Proxy]]:
    """Stopped at the end, also of a failure."""
    proxies: dict[str, Proxy] = {}
    try:
        for name, each in start.items():
            proxies[name] = each()
        yield proxies
    finally:
        for proxy in proxies.values():
            proxy.stop()


class Bench:
    def __init__(self, folder: Path) -> None:
        self.stand = Stand(folder, Issuer())
        self.tokens_cached, self.tokens_distinct = folder / "cached.txt", folder / "distinct.txt"
        tokens = self.stand.issuer.tokens(DISTINCT_TOKENS)
        self.tokens_distinct.write_text("\n".join(tokens) + "\n")
        self.tokens_cached.write_text("\n".join(tokens[:CACHED_TOKENS]) + "\n")

    def costs(self, proxies: dict[str, Proxy], tokens: Path, requests: int, target: str = SAME_TARGET, verify: bool = False) -> dict[str, float]:
        """Microseconds on the core for one request, by proxy; verify: also of a bare verification."""
        argv = ["taskset", "-c", str(LOAD_CORE), BUILD / "bin" / "bench_load", str(self.stand.backend), tokens, target, str(requests), str(SLICE)]
        argv += [str(proxy.port) for proxy in proxies.values()]
        before = {name: proxy.cpu() for name, proxy in proxies.items()}
        bare = [f"{self.stand.folder / 'key.pem'}@{PROXY_CORE}"] if verify else []
        done = subprocess.run([*argv, *bare], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"bench_load ended with {done.returncode}")
        out = {name: (proxy.cpu() - before[name]) / requests * 1e6 for name, proxy in proxies.items()}
        return out | ({"bare verify": float(done.stdout) / 1000} if verify else {})

    def cached(self, proxies: dict[str, Proxy], target: str = SAME_TARGET) -> dict[str, float]:
        return self.costs(proxies, self.tokens_cached, ROUND, target)

    def once(self, start: dict[str, Callable[[], Proxy]], verify: bool = False) -> dict[str, float]:
        """With fresh programs and each token sent once."""
        with running(start) as proxies:
            return self.costs(proxies, self.tokens_distinct, DISTINCT_TOKENS, verify=verify)


def until(rows: list[Row], minutes: float, one_round: Callable[[], None]) -> None:
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end and not all(row.measured() for row in rows):
        one_round()


def cached(bench: Bench, minutes: float) -> list[Row]:
    row = Row("cached tokens: CPU of plain nginx / with our decision, nginx's log phase in both", "ratio", 0.97, True, 0.002)
    shipped = Row("the same as shipped: ours without a log phase where it logs nothing", "ratio", 0.97, True, 0.002)
    new = Row("the same, each request for a target that its caller did not ask for before", "ratio", None, True, 0.005)
    start = {"plain": bench.stand.plain, "ours": bench.stand.ours, "ours, log phase": bench.stand.ours_with_log_phase}

    def one_round() -> None:
        """Where a start puts things in memory makes more of a difference than one pass to the next."""
        with running(start) as proxies:
            bench.cached(proxies)  # warm
            costs = [bench.cached(proxies) for _ in range(3)]
            other = bench.cached(proxies, NEW_TARGET)
        row.values.append(statistics.fmean(cost["plain"] / cost["ours, log phase"] for cost in costs))
        shipped.values.append(statistics.fmean(cost["plain"] / cost["ours"] for cost in costs))
        new.values.append(other["plain"] / other["ours"])

    rows = [row, shipped, new]
    until(rows, minutes, one_round)
    return rows


def cached_beside_envoy(bench: Bench, minutes: float) -> list[Row]:
    row = Row("CPU added per cached request: ours / Envoy with its token cache", "ratio", 0.1, False, 0.01 * 0.1)
    own = {"plain": bench.stand.plain, "ours": bench.stand.ours}
    peer = {"envoy": lambda: bench.stand.envoy(False), "envoy cache": lambda: bench.stand.envoy(True, cached=True)}

    def one_round(peers: dict[str, Proxy]) -> None:
        """Ours adds so little that where a start puts things in memory makes a difference, as above."""
        with running(own) as proxies:
            bench.cached(proxies)  # warm
            costs = [bench.cached(proxies) for _ in range(2)] + [bench.cached(peers)] + [bench.cached(proxies) for _ in range(2)]
        mean = {name: statistics.fmean(cost[name] for cost in costs if name in cost) for name in (*own, *peer)}
        row.values.append((mean["ours"] - mean["plain"]) / (mean["envoy cache"] - mean["envoy"]))

    with running(peer) as peers:
        bench.cached(peers)  # warm
        until([row], minutes, lambda: one_round(peers))
    return [row]


def uncached_and_peers(bench: Bench, minutes: float) -> list[Row]:
    stand = bench.stand
    verify = Row("CPU added per uncached RS256 request / bare OpenSSL verify", "ratio", 1.35, False, 0.01 * 1.35)
    haproxy = Row("CPU added per uncached request: ours / HAProxy jwt_verify", "ratio", 0.7, False, 0.01 * 0.7)
    envoy = Row("CPU added per uncached request: ours / Envoy jwt_authn + rbac", "ratio", 1.0, False, 0.01)
    njs = Row("CPU added per uncached request: ours / njs", "ratio", 0.1, False, 0.01 * 0.1)
    service = Row("CPU added per uncached request: ours / auth_request to a local service (our agent)", "ratio", 1.0, False, 0.01)
    rows = [verify, haproxy, envoy, njs, service]
    start = {"plain": stand.plain, "ours": stand.ours, "njs": stand.njs, "auth_request": stand.auth_request,
             "haproxy": lambda: stand.haproxy(False), "haproxy checks": lambda: stand.haproxy(True),
             "envoy": lambda: stand.envoy(False), "envoy checks": lambda: stand.envoy(True)}
    table: dict[str, list[float]] = {}

    def one_round() -> None:
        costs = bench.once(start, verify=True)
        for name, value in costs.items():
            table.setdefault(name, []).append(value)
        ours = costs["ours"] - costs["plain"]
        verify.values.append(ours / costs["bare verify"])
        haproxy.values.append(ours / (costs["haproxy checks"] - costs["haproxy"]))
        envoy.values.append(ours / (costs["envoy checks"] - costs["envoy"]))
        njs.values.append(ours / (costs["njs"] - costs["plain"]))
        service.values.append(ours / (costs["auth_request"] - costs["plain"]))

    until(rows, minutes, one_round)
    for name, values in table.items():
        print(f"  {name:20} {statistics.median(values):7.2f} us per request  ({min(values):.2f} to {max(values):.2f})")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20, help="the most for each of the three parts")
    minutes = parser.parse_args().minutes
    if lacking := missing():
        print("bench: missing\n  " + "\n  ".join(lacking), file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mesh-auth-bench-") as folder:
        Path(folder).chmod(0o755)
        bench = Bench(Path(folder))
        rows = cached(bench, minutes) + uncached_and_peers(bench, minutes) + cached_beside_envoy(bench, minutes)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps({"rows": [row.json() for row in rows]}, indent=1) + "\n")
    for row in rows:
        said = "" if row.measured() else ": not measured"
        if row.bar is not None:
            sign = "at least" if row.above else "at most"
            said = f", {sign} {row.bar}: {'holds' if row.holds() else 'does not hold' if row.measured() else 'not measured'}"
        print(f"{row.what}: {row.mean():.3f} ± {row.half_width():.4f} {row.unit}{said} ({len(row.values)} rounds)")
    return 0 if all(row.holds() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
