"""The bundle's folder changes under a running nginx: no reload, and nothing broken is ever taken."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest

from harness import read_response, wait_until
from resources import PUBLIC, READ, Key, caller, jwks, policy, provider

DENY_ALICE = {"name": "no-alice", "action": "Deny", "from": [caller(subjects=["alice"])]}


@pytest.fixture
def first(folder, key):
    return folder.write(provider("okta", key), policy(rules=[READ, PUBLIC]))


def test_a_policy_change_is_enforced_by_every_worker_without_a_reload(folder, key, start, agent, first):
    nginx = start(workers=2)
    wait_until(lambda: len(agent.running(first)) == 2, "hello of both workers")
    workers = set(nginx.workers())
    token = key.token(scope="orders:read")
    assert nginx.request("/orders/1", token).status == 200

    second = folder.write(provider("okta", key), policy(rules=[READ, PUBLIC, DENY_ALICE]))
    wait_until(lambda: agent.running(second) == workers, "both workers run the second revision")
    assert [nginx.request("/orders/1", token).status for _ in range(20)] == [403] * 20
    assert set(nginx.workers()) == workers
    assert all(report["swapMs"] >= 0 for report in agent.of_type("swapped"))


def test_a_swap_is_seen_at_once_not_at_the_next_tick(folder, key, start, agent, first):
    start()
    wait_until(lambda: agent.running(first), "hello")
    took = []
    for i in range(5):
        begin = time.monotonic()
        revision = folder.write(provider("okta", key), policy(name=f"p{i}", rules=[READ]))
        wait_until(lambda: agent.running(revision), "the swap")
        took.append(time.monotonic() - begin)
    assert min(took) < 0.5


def test_keys_rotate_and_cached_tokens_of_a_removed_key_stop(folder, key, start, agent, first):
    nginx = start()
    new = Key("k2")
    old_token, new_token = key.token(scope="orders:read"), new.token(scope="orders:read")
    assert nginx.request("/orders/1", old_token).status == 200  # now cached
    assert nginx.request("/orders/1", new_token).status == 401

    both = folder.write(provider("okta", key, new), policy(rules=[READ]))
    wait_until(lambda: agent.running(both), "both keys")
    assert [nginx.request("/orders/1", t).status for t in (old_token, new_token)] == [200, 200]

    without = folder.write(provider("okta", new), policy(rules=[READ]))
    wait_until(lambda: agent.running(without), "the new key alone")
    assert [nginx.request("/orders/1", t).status for t in (old_token, new_token)] == [401, 200]


def test_a_roll_back_is_a_link_that_points_back(folder, key, start, agent, first):
    nginx = start()
    second = folder.write(provider("okta", key), policy(rules=[DENY_ALICE]))
    wait_until(lambda: agent.running(second), "the second revision")
    folder.point_to(first)
    wait_until(lambda: agent.running(first), "the first again")
    assert nginx.request("/orders/1", key.token(scope="orders:read")).status == 200


def tamper_policy(folder, revision):
    file = folder.revision(revision) / "policy.json"
    file.write_text(file.read_text().replace("Deny", "Allow", 1))


def tamper_manifest(folder, revision):
    file = folder.revision(revision) / "manifest.json"
    file.write_text(file.read_text().replace('"sequence":2', '"sequence":9'))


def remove_keys(folder, revision):
    (folder.revision(revision) / "jwks.json").unlink()


def empty_signature(folder, revision):
    (folder.revision(revision) / "manifest.json.sig").write_text("")


def fifo(folder, revision):
    file = folder.revision(revision) / "policy.json"
    file.unlink()
    import os

    os.mkfifo(file)


@pytest.mark.parametrize(
    "spoil, says",
    [
        (tamper_policy, "policy.json"),
        (tamper_manifest, "not signed by a trusted key"),
        (remove_keys, "jwks.json cannot be opened"),
        (empty_signature, "not signed by a trusted key"),
        (fifo, "policy.json is no regular file"),
    ],
)
def test_a_spoiled_bundle_is_refused_and_the_one_before_goes_on(folder, key, start, agent, first, spoil, says):
    nginx = start()
    wait_until(lambda: agent.running(first), "hello")
    # Made aside, spoiled, and only then put in place: the worker never sees it whole.
    second = folder.write(provider("okta", key), policy(rules=[DENY_ALICE, READ]))
    wait_until(lambda: agent.running(second), "the second revision")
    folder.point_to(first)
    wait_until(lambda: agent.running(first), "the first again")
    spoil(folder, second)
    seen = len(agent.reports)
    folder.point_to(second)

    refused = wait_until(lambda: agent.of_type("refused", seen), "the refusal")[0]
    assert refused["refused"] == second and refused["revision"] == first
    assert says in refused["detail"]
    assert nginx.request("/orders/1", key.token(scope="orders:read")).status == 200
    assert f"refused {second}" in nginx.log()


def test_a_bundle_of_another_workload_is_refused(folder, key, start, agent, first):
    nginx = start()
    other = folder.write(provider("okta", key), policy(rules=[DENY_ALICE]), workload="shop/billing")
    refused = wait_until(lambda: agent.of_type("refused"), "the refusal")[0]
    assert refused["refused"] == other and "shop/billing" in refused["detail"]
    assert nginx.request("/orders/1", key.token(scope="orders:read")).status == 200


def test_a_bundle_of_an_untrusted_key_is_refused_until_the_trust_names_it(folder, key, start, agent, first):
    nginx = start()
    wait_until(lambda: agent.running(first), "hello")
    trust_before = folder.trust.read_text()
    folder._tool("keys", folder.root)  # another operator's key, and its trust
    trust_after = folder.trust.read_text()
    folder.trust.write_text(trust_before)
    second = folder.write(provider("okta", key), policy(rules=[DENY_ALICE]))
    wait_until(lambda: [r for r in agent.of_type("refused") if r["refused"] == second], "the refusal")
    assert nginx.request("/orders/1", key.token(scope="orders:read")).status == 200

    folder.trust.write_text(trust_after)
    wait_until(lambda: agent.running(second), "the bundle, once its key is trusted")


def test_without_any_bundle_every_request_is_503_until_one_comes(folder, key, start, agent):
    (folder.path / "current").mkdir()  # so that the include of auth.conf works
    (folder.path / "current" / "auth.conf").write_text("")
    nginx = start()
    wait_until(lambda: agent.of_type("hello"), "hello")
    for target, token in (("/orders/1", None), ("/orders/1", key.token(scope="orders:read")), ("/public/x", None)):
        assert nginx.request(target, token).status == 503
    assert {line["reason"] for line in nginx.access_lines() if line["reason"]} == {"no_bundle"}
    assert "revision" not in agent.of_type("hello")[0]

    (folder.path / "current" / "auth.conf").unlink()
    (folder.path / "current").rmdir()
    revision = folder.write(provider("okta", key), policy(rules=[READ, PUBLIC]))
    wait_until(lambda: agent.running(revision), "the first bundle")
    assert nginx.request("/public/x").status == 200


def test_a_worker_that_starts_on_a_spoiled_bundle_is_closed(folder, key, start, agent, first):
    tamper_policy_of = folder.revision(first) / "policy.json"
    tamper_policy_of.write_text("{}")
    nginx = start()
    assert nginx.request("/public/x").status == 503
    refused = wait_until(lambda: agent.of_type("refused"), "the worker's report")
    assert refused[0]["refused"] == first


def test_the_folder_itself_may_be_replaced(folder, key, start, agent, first, root):
    nginx = start()
    wait_until(lambda: agent.running(first), "hello")
    folder.path.rename(root / "old")
    folder.path.mkdir()
    second = folder.write(provider("okta", key), policy(rules=[DENY_ALICE]))
    wait_until(lambda: agent.running(second), "the bundle in the new folder")
    third = folder.write(provider("okta", key), policy(rules=[READ]))
    wait_until(lambda: agent.running(third), "the next one there")
    assert nginx.request("/orders/1", key.token(scope="orders:read")).status == 200


def test_a_folder_that_was_deleted_and_made_anew_is_watched_again(folder, key, start, agent, first):
    start()
    wait_until(lambda: agent.running(first), "hello")
    shutil.rmtree(folder.path)
    folder.path.mkdir()
    took = []
    for i in range(4):
        begin = time.monotonic()
        revision = folder.write(provider("okta", key), policy(name=f"p{i}", rules=[READ]))
        wait_until(lambda: agent.running(revision), "the bundle in the new folder")
        took.append(time.monotonic() - begin)
    assert min(took[1:]) < 0.5  # the first waits for a tick, as all would that nobody watched for


def test_stale_keys_are_503_for_that_provider_alone(folder, key, start, agent, root):
    other = Key("k7")
    keys = root / "idp.jwks"
    keys.write_text(jwks(other))
    remote = provider("remote", rotation={"maxStale": "1h"})
    remote["spec"].update(issuer="https://remote.test", jwks={"uri": "https://remote.test/jwks"})
    rule = {"name": "either", "action": "Allow", "from": [caller("okta"), caller("remote")]}
    source = source_of(folder, remote, keys)
    revision = write_with_keys(folder, source, keys, provider("okta", key), remote, policy(rules=[rule]))
    nginx = start()
    wait_until(lambda: agent.running(revision), "hello")
    token = other.token(iss="https://remote.test")
    status = lambda: (nginx.request("/x", token).status, nginx.request("/x", key.token()).status)

    assert status() == (503, 200)  # nobody ever said how old its keys are
    folder.fresh(**{source: int(time.time()) - 7200})
    assert status() == (503, 200)
    folder.fresh(**{source: int(time.time())})
    wait_until(lambda: status() == (200, 200), "fresh keys")
    folder.fresh(**{source: int(time.time()) - 7200})  # an older one never wins
    time.sleep(1.2)
    assert status() == (200, 200)
    following = write_with_keys(folder, source, keys, provider("okta", key), remote, policy("following", [rule]))
    wait_until(lambda: agent.running(following), "the swap")
    assert status() == (200, 200)
    reasons = [line["reason"] for line in nginx.access_lines() if line["status"] == "503"]
    assert set(reasons) == {"keys_stale"}


def test_an_unsigned_fresh_json_is_not_taken(folder, key, start, agent, root):
    other = Key("k7")
    keys = root / "idp.jwks"
    keys.write_text(jwks(other))
    remote = provider("remote")
    remote["spec"].update(issuer="https://remote.test", jwks={"uri": "https://remote.test/jwks"})
    source = source_of(folder, remote, keys)
    rule = {"name": "any", "action": "Allow", "from": [caller("remote")]}
    revision = write_with_keys(folder, source, keys, remote, policy(rules=[rule]))
    nginx = start()
    wait_until(lambda: agent.running(revision), "hello")
    (folder.path / "fresh.json").write_text(json.dumps({"sources": {source: int(time.time())}}))
    (folder.path / "fresh.json.sig").write_text("AAAA")
    refused = wait_until(lambda: agent.of_type("refused"), "the refusal")[0]
    assert refused["refused"] == "fresh.json" and "refused fresh.json" in nginx.log()
    assert nginx.request("/x", other.token(iss="https://remote.test")).status == 503


def source_of(folder, resource, keys):
    """The id of a provider's key source, from the refusal that names it."""
    try:
        folder.write(resource)
    except AssertionError as refusal:
        return str(refusal).split("no keys for source ")[1].splitlines()[0].strip()
    raise AssertionError("the tool found keys for a remote source")


def write_with_keys(folder, source, keys, *resources):
    plain = folder._tool
    folder._tool = lambda *args: plain(*args, "--keys", f"{source}={keys}") if args[0] == "bundle" else plain(*args)
    try:
        return folder.write(*resources)
    finally:
        folder._tool = plain


def many_rules(tag):
    """Policies that fill most of a bundle."""
    names = [f"{tag}-{number}" for number in range(60)]
    to = lambda name, i: [{"methods": ["GET"], "paths": [f"/{name}/{i}/{j}/{{id}}/**" for j in range(6)]}]
    rule = lambda name, i: {"name": f"r{i}", "action": "Allow", "from": [caller(scopes={"any": [name]})], "to": to(name, i)}
    return [policy(name, [rule(name, i) for i in range(40)]) for name in names]


@pytest.fixture
def large(folder, key):
    """Two large bundles that allow /x, and one that is small."""
    known = [provider("okta", key), policy("open", [{"name": "all", "action": "Allow", "from": [caller()]}])]
    small = folder.write(*known)
    both = [folder.write(*known, *many_rules(tag)) for tag in ("a", "b")]
    assert all((folder.revision(revision) / "policy.json").stat().st_size > 500_000 for revision in both)
    return small, *both


def threads_cpu(pid):
    """Ticks of the event loop, and of all other threads of a worker (proc(5), /proc/PID/stat)."""
    ticks = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        ticks[int(task.name)] = int(fields[11]) + int(fields[12])
    loop = ticks.pop(pid)
    return loop, sum(ticks.values())


def switch(folder, agent, revision):
    folder.point_to(revision)
    wait_until(lambda: agent.running(revision), "the swap", 30)


def test_a_bundle_is_read_off_the_event_loop(folder, key, start, agent, large):
    _, one, other = large
    nginx = start()
    wait_until(lambda: agent.running(other), "hello", 30)
    (worker,) = nginx.workers()
    loop, thread = threads_cpu(worker)
    for _ in range(10):
        switch(folder, agent, one)
        switch(folder, agent, other)
    loop, thread = (after - before for after, before in zip(threads_cpu(worker), (loop, thread)))
    assert thread >= 20, "the thread had hardly anything to do"
    assert loop * 4 <= thread


def test_what_was_in_force_before_is_freed_at_once_whoever_is_still_there(folder, key, start, agent, large):
    small, one, other = large
    folder.point_to(small)
    nginx = start()
    wait_until(lambda: agent.running(small), "hello", 30)
    (worker,) = nginx.workers()
    memory = lambda: int(re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())[1])
    begin = memory()
    switch(folder, agent, one)
    size = memory() - begin
    assert size > 4000, "a large bundle takes memory"
    lines = ["GET /x HTTP/1.1", "Host: a", f"Authorization: Bearer {key.token()}", "Connection: Upgrade", "Upgrade: websocket"]
    with nginx.connect() as s, s.makefile("rb", buffering=0) as stream:
        s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert read_response(stream).status == 101  # decided by what goes now
        for _ in range(3):
            switch(folder, agent, other)
            switch(folder, agent, one)
        settled = memory()
        for _ in range(5):
            switch(folder, agent, other)
            switch(folder, agent, one)
        assert memory() - settled < 2 * size  # ten large ones have come and gone
        s.sendall(b"ping")
        assert stream.read(4) == b"ping"
