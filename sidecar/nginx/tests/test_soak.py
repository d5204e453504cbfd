"""soak.py for some seconds, so that it stays true; alone it takes numbers, a sanitized module, or Valgrind."""

import random

from soak import Soak


def test_hostile_requests_amid_swaps_and_reloads_leave_nothing_behind(root):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    soak = Soak(root, seed)
    try:
        soak.mixed(requests=1500, swaps=40, reloads=4)
    finally:
        problems = soak.close()
    assert problems == []
    assert soak.counted["allow"] > 0 and soak.counted["reloads"] == 4
