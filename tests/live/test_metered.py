"""A key whose budget is used up is refused at every metered route of the table: pass-through, objects that providers
keep, audio, images and realtime among them."""

from __future__ import annotations

import pytest

from bench.reliability.endpoints import endpoints
from bench.reliability.metered import LEVELS, answers, both, configured, exhaust, survey
from providers.operations import Operation
from tests.live.fixtures import Start
from tests.live.upstreams import Upstream


@pytest.mark.parametrize("level", LEVELS)
def test_no_route_is_free(start_gateway: Start, level: str) -> None:
    with Upstream(answers) as upstream:
        gateway = start_gateway(configured(upstream.url, level))
        exhaust(gateway)
        rich, poor = both(level, unions=False)
        # One of a kind tells that it was the budget; and who pays is not the route's business.
        kinds = list({(one.operation, one.anthropic): one for one in rich}.values())
        if level != "virtual_key":
            poor = list({(one.operation, one.anthropic): one for one in poor}.values())
        found = survey(gateway, upstream, kinds, poor)
        assert found.free == []
        assert found.reached > len(kinds) / 2


def test_every_kind_of_request_is_among_them() -> None:
    asked = {one.operation for one in endpoints("key", "key")}
    assert {Operation.PASSTHROUGH, Operation.BATCHES, Operation.IMAGE_GENERATION, Operation.SPEECH} <= asked
    assert {Operation.REALTIME, Operation.VIDEOS, Operation.INVOKE, Operation.OCR} <= asked
