from collections.abc import Callable
from random import Random

import pytest

from monitor.service.demo.brakes import Brakes
from monitor.service.demo.cast import Cast
from monitor.service.demo.world import World, WorldPolicy

#: Any moment will do; the world has no clock.
LIVE_FROM = 1_800_000_000.0

MakeWorld = Callable[..., World]


@pytest.fixture
def live_from() -> float:
    return LIVE_FROM


@pytest.fixture
def cast() -> Cast:
    return Cast.drawn(Random(7))


@pytest.fixture
def make_world(cast: Cast) -> MakeWorld:
    def make(
        seed: int = 7,
        rate: float = 60.0,
        history: float = 900.0,
        share: float = 0.3,
        brakes: Brakes | None = None,
    ) -> World:
        policy = WorldPolicy(
            seed=seed,
            start=LIVE_FROM - history,
            live_from=LIVE_FROM,
            rate=rate,
            history_share=share,
        )
        return World(policy, cast, brakes or Brakes())

    return make
