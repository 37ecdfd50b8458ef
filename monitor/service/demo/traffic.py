"""Traffic alone, for the user's own Kafka and worker: no verdict, endless if asked."""

import asyncio
import signal
from random import Random

import msgspec

from monitor.service import clock
from monitor.service.demo.brakes import Brakes
from monitor.service.demo.cast import Cast
from monitor.service.demo.incidents import injected
from monitor.service.demo.loader import Loader
from monitor.service.demo.runner import TICK_SECONDS, new_world, write_history
from monitor.service.demo.scene import Scene
from monitor.service.demo.setup import DemoOptions
from monitor.service.demo.view import View
from monitor.service.demo.world import World
from monitor.service.kafka import wait_for_broker
from monitor.service.settings import Settings

#: Endless traffic repeats its incidents: so long from one round to the next, and so
#: long until all are over, so that a dashboard sees them come and go.
ROUND_SECONDS = 900.0
LASTING_SECONDS = 300.0


class TrafficReport(msgspec.Struct, frozen=True):
    """The one line of JSON at the end of traffic without a verdict."""

    produced: int
    late: int
    duplicates: int
    rounds: int
    seed: int


class Traffic:
    """Writes to the first configured input until it is told to stop.

    Args:
        options: what the user asked for.
        settings: those of the user.
        view: shows how it goes.
    """

    def __init__(self, options: DemoOptions, settings: Settings, view: View) -> None:
        self._options = options
        self._settings = settings
        self._view = view
        self._scene = Scene(phase="writing history", seconds=options.seconds)
        self._cast = Cast.drawn(Random(options.seed))
        self._rounds = 0
        self._stop = asyncio.Event()

    async def run(self) -> TrafficReport:
        """Write history, then live traffic, until time is up or SIGTERM comes.

        Raises:
            BrokerError: Kafka cannot be reached.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await wait_for_broker(self._settings.kafka)
        self._view.show(self._scene)
        world = new_world(self._options, self._settings, self._cast, Brakes())
        async with Loader(self._settings) as loader:
            await write_history(world, loader)
            self._scene.phase = "live traffic"
            began = clock.now()
            while not self._over(clock.now() - began):
                await self._tick(world, loader, clock.now() - began)
        truth = world.truth
        return TrafficReport(
            truth.produced,
            truth.late,
            truth.duplicates,
            self._rounds,
            self._options.seed,
        )

    async def _tick(self, world: World, loader: Loader, elapsed: float) -> None:
        """Write what happened since the last tick; begin a round when it is time."""
        scene = self._scene
        if elapsed >= self._rounds * ROUND_SECONDS:
            self._rounds += 1
            lasting = min(LASTING_SECONDS, self._options.seconds or LASTING_SECONDS)
            world.strike(injected(self._cast, clock.now(), lasting))
        await loader.write(world.advance(clock.now()))
        scene.elapsed, scene.speed = elapsed, self._options.rate
        scene.produced = world.truth.produced
        self._view.show(scene)
        await asyncio.sleep(TICK_SECONDS)

    def _over(self, elapsed: float) -> bool:
        return self._stop.is_set() or 0 < self._options.seconds <= elapsed
