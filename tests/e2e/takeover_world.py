"""Traffic, and an ear on all that is said of it, for the test of a takeover."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from monitor.events import Channel, Directive, Incident, Scope
from monitor.pipeline import FleetMind
from monitor.service import clock
from monitor.service.assembly import fleet_policy
from monitor.service.demo.brakes import Brakes
from monitor.service.demo.cast import PROVIDERS, Cast
from monitor.service.demo.incidents import Incident as Cause
from monitor.service.demo.loader import Loader
from monitor.service.demo.replies import Fate
from monitor.service.demo.runner import (
    HISTORY_SECONDS,
    TICK_SECONDS,
    write_history,
)
from monitor.service.demo.sightings import Sightings, listen
from monitor.service.demo.world import World, WorldPolicy
from monitor.service.kafka import make_reader
from monitor.service.settings import Settings
from monitor.service.snapshots import read_snapshot
from monitor.service.topics import topic_names

FLEET = "default"

#: The heaviest provider defers six in ten: a page, and a throttle that never pauses.
SICK = Scope(provider=PROVIDERS[0][0])
CHANNEL = Channel.DEFERRAL
SHARE = 0.6

#: Mails a second, now and in the twenty minutes before; a quarter of them go to the
#: sick provider.
RATE = 100.0
HISTORY_RATE = 25.0

_FOR_EVER = float("inf")


@dataclass
class Told(Sightings):
    """Every word on incidents, in order, beside the directives."""

    said: list[Incident] = field(default_factory=list)

    def hear_incident(self, incident: Incident, at: float) -> None:
        super().hear_incident(incident, at)
        self.said.append(incident)

    def spoken_by(self, epoch: int) -> list[Directive]:
        """Directives of one owner on the sick provider."""
        heard = [one.directive for one in self.directives]
        return [one for one in heard if (one.epoch, one.scope) == (epoch, SICK)]


@dataclass
class Stage:
    """The world, and what the monitor says of it."""

    settings: Settings
    told: Told
    world: World

    def sicken(self) -> None:
        """From now on the provider defers."""
        cause = Cause(
            "provider defers", SICK, CHANNEL, Fate.BUSY, SHARE, clock.now(), _FOR_EVER
        )
        self.world.strike((cause,))

    def heal(self) -> None:
        """From now on all is as it was."""
        self.world.strike(())

    async def saved(self) -> FleetMind | None:
        """The mind of the fleet, as its newest snapshot holds it."""
        reader = make_reader(self.settings.kafka)
        await reader.start()
        try:
            topic = topic_names(self.settings).snapshots
            snapshot = await read_snapshot(reader, topic, FLEET)
        finally:
            await reader.stop()
        if snapshot is None:
            return None
        mind = FleetMind(FLEET, fleet_policy(self.settings), snapshot.epoch)
        mind.restore(snapshot.state)
        return mind


@asynccontextmanager
async def on_stage(settings: Settings) -> AsyncIterator[Stage]:
    """Twenty minutes of history, then live traffic until the end.

    The sender heeds no directive: so much more does the monitor have to see.
    """
    told, now = Told(), clock.now()
    policy = WorldPolicy(
        seed=1,
        start=now - HISTORY_SECONDS,
        live_from=now,
        rate=RATE,
        history_share=HISTORY_RATE / RATE,
    )
    world = World(policy, Cast.drawn(Random(policy.seed)), Brakes())
    ears = asyncio.create_task(listen(settings, told, Brakes()))
    async with Loader(settings) as loader:
        await write_history(world, loader)
        traffic = asyncio.create_task(_send(world, loader))
        try:
            yield Stage(settings, told, world)
        finally:
            for task in (traffic, ears):
                task.cancel()
            await asyncio.gather(traffic, ears, return_exceptions=True)


async def _send(world: World, loader: Loader) -> None:
    while True:
        await loader.write(world.advance(clock.now()))
        await asyncio.sleep(TICK_SECONDS)
