"""The node loses its power: nothing is let in that should not be, at any moment after."""

from __future__ import annotations

import time

import pytest

from harness.wait import await_until
from node.injected import PROTECTED


@pytest.mark.own_node("it kills every process of the node")
@pytest.mark.timeout(400)
def test_a_restarted_node_protects_from_the_first_answer_on_without_the_operator(node, shop, injected, operator_count):
    token = shop.token()
    assert shop.ask("/orders/7", token) == 200
    operator_count(0)
    began = time.time()
    node.restart()

    def counted_after_the_restart():
        seen = shop.counted("naked")
        assert seen["changes"] and seen["changes"][0]["unixMicro"] / 1e6 > began, "still what was before"
        assert "401" in seen["statuses"], seen["statuses"]
        return seen

    await_until("who shows no token is refused again", counted_after_the_restart, within=90)
    shop.await_answer(200, "/orders/7", token, within=60)
    shop.await_answer(401, "/orders/7")
    seen = shop.counted("naked")
    assert {int(status) for status in seen["statuses"]} <= {0, 401, 503}, seen
    assert set(shop.counted("shut")["statuses"]) <= {"0", "403", "503"}

    injected.await_let_in(token)
    for place, statuses in injected.refusals().items():  # the load began anew, too
        assert statuses <= PROTECTED, f"{place}: {injected.load.counted(place)}"

    operator_count(1)
    shop.change_edge()
    injected.restart()
