"""kill -9 under a key with a budget: what the provider has received is in the ledger, once, and is what is enforced.
``python -m bench.run reliability G7`` is the same for longer."""

from __future__ import annotations

import contextlib
import random

from bench.reliability.crashes import Killing, asked, compared


def test_no_call_is_lost_with_its_worker_or_with_control() -> None:
    with asked() as (gateway, upstream, askers):
        with contextlib.closing(Killing(gateway, random.Random(1))) as killing:
            killing.busy_worker()
            killing.control()
            killing.busy_worker()
        askers.stop()
        values, kept = compared(gateway, upstream)
    assert kept, values
    assert values["calls that reached the provider"] > 0
    assert values["recorded for killed workers"] > 0
