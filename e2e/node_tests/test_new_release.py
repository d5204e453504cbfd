"""Another release beside this one: there and back under load, with sidecars older and newer than their operator."""

from __future__ import annotations

import pytest

from harness import chart, tools
from node.injected import PROTECTED
from node.shop import since


@pytest.fixture(scope="module")
def before(node, images):
    """The names of the images of the release before."""
    names = {}
    for name in ("operator", "sidecar"):
        names[name] = images[name].rsplit(":", 1)[0] + ":before"
        ours = images[name] + "-ours"
        _tag(node, images[name], ours)
        node.import_image(tools.earlier() / "images" / f"{name}.tar")  # which calls it as ours is called
        _tag(node, images[name], names[name])
        _tag(node, ours, images[name])
    return names


def _tag(node, name, another):
    done = node.run("ctr", "-n", "k8s.io", "images", "tag", "--force", name, another)
    assert done.returncode == 0, done.stderr


@pytest.mark.own_node("it loads images of an earlier release into the node")
@pytest.mark.timeout(600)
def test_an_upgrade_and_a_rollback_under_load(shop, injected, release, images, before, said):
    release.upgrade(tools.earlier() / "charts" / "mesh-auth", before)
    injected.begin_restart()  # with the sidecar of before
    shop.use_sidecar(before["sidecar"])
    shop.change_edge()
    injected.await_available()
    start = shop.count_all()
    earlier = release.revision()

    newest = release.upgrade(chart.FOLDER, images)
    shop.change_edge()  # by a sidecar older than its operator
    shop.change_edge()
    upgraded = shop.count_all()

    injected.await_let_in(shop.token())  # older than their operator

    injected.begin_restart()
    shop.use_sidecar(images["sidecar"])
    shop.change_edge()
    injected.await_available()
    between = shop.count_all()

    release.rollback(earlier)
    shop.change_edge()  # by a sidecar newer than its operator
    shop.change_edge()
    rolled_back = shop.count_all()
    injected.await_let_in(shop.token())  # newer than their operator

    release.rollback(newest)
    shop.change_edge()
    for what, first, last in (("upgraded", start, upgraded), ("rolled back", between, rolled_back)):
        seen = {name: since(first[name], last[name]) for name in first}
        said(f"{what} under load: requests {sum(sum(s.values()) for s in seen.values())}, answers {seen}")
        assert set(seen["open"]) == {200} and set(seen["shut"]) == {403} and set(seen["naked"]) == {401}, seen
    for place, statuses in injected.refusals().items():
        assert statuses <= PROTECTED, f"{place}: {injected.load.counted(place)}"
    said(f"injected, from before they existed to the end: {injected.load.statuses()}")
