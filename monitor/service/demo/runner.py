"""Runs the demo: history, live traffic, incidents, and what the monitor made of it."""

import asyncio
import tempfile
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import aiohttp
import msgspec

from monitor.service import clock
from monitor.service.counts import CountsQuery, CountsReport, read_counts
from monitor.service.demo.brakes import Brakes
from monitor.service.demo.cast import Cast
from monitor.service.demo.child import ChildWorker
from monitor.service.demo.incidents import Incident, injected
from monitor.service.demo.loader import Loader
from monitor.service.demo.scene import Scene
from monitor.service.demo.setup import DemoOptions
from monitor.service.demo.sightings import listen
from monitor.service.demo.verdict import COMPARED_BY, DemoReport, judge
from monitor.service.demo.view import View
from monitor.service.demo.world import World, WorldPolicy
from monitor.service.settings import Settings
from monitor.service.topics import create_topics

#: History that teaches the baselines, before the live traffic.
HISTORY_SECONDS = 1200.0

#: More history than this would take longer to write than anyone likes to wait; a
#: higher rate only makes it thinner. Rates of failure are the same.
MAX_HISTORY_EVENTS = 80_000

#: History is written in steps of so many seconds of the world.
HISTORY_STEP_SECONDS = 30.0

#: Live traffic is written this often.
TICK_SECONDS = 0.2

#: The worker must have caught up this long after the history: far more than it needs,
#: for machines with much else to do.
READY_SECONDS = 120.0

#: The worker's metrics are read this often.
RATES_SECONDS = 1.0

#: After the last record the counts must be complete within this time.
SETTLE_SECONDS = 20.0


@dataclass
class _Timing:
    """How long things took, in seconds, and how much had been sent by then."""

    begun: float
    history_events: int = 0
    history_seconds: float = 0.0
    ready_seconds: float = 0.0
    warm_events: int = 0


class Demo:
    """One run against a broker that is there already.

    Args:
        options: what the user asked for.
        settings: those of the worker; topics and group are this run's own.
        view: shows how it goes.
    """

    def __init__(self, options: DemoOptions, settings: Settings, view: View) -> None:
        self._options = options
        self._settings = settings
        self._view = view
        self._scene = Scene(seconds=options.seconds)
        self._brakes = Brakes()
        self._cast = Cast.drawn(Random(options.seed))
        self._world = new_world(options, settings, self._cast, self._brakes)
        self._timing = _Timing(clock.monotonic())

    async def run(self) -> DemoReport:
        """Play the whole demo and judge it.

        Raises:
            MonitorError: the worker ended, or was never ready.
            BrokerError: Kafka cannot be reached.
        """
        await create_topics(self._settings)
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="bouncemon-demo-")
            )
            worker = ChildWorker(self._settings, Path(folder))
            stack.callback(worker.stop)
            loader = await stack.enter_async_context(Loader(self._settings))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            ears = asyncio.create_task(
                listen(self._settings, self._scene.heard, self._brakes)
            )
            stack.push_async_callback(_cancel, ears)
            await self._history(loader)
            await self._warm_up(loader, worker, session)
            incidents = await self._live(loader, worker, session)
            counts = await self._settle()
            status = await asyncio.to_thread(worker.stop)
        return self._report(incidents, counts, status)

    def _say(self, phase: str) -> None:
        self._scene.phase = phase
        self._view.show(self._scene)

    async def _history(self, loader: Loader) -> None:
        """Write the past in one burst."""
        self._say("writing 20 minutes of history")
        begun = clock.monotonic()
        await write_history(self._world, loader)
        self._timing.history_events = self._world.truth.produced
        self._timing.history_seconds = clock.monotonic() - begun

    async def _warm_up(
        self, loader: Loader, worker: ChildWorker, session: aiohttp.ClientSession
    ) -> None:
        """Keep the traffic flowing until the worker has caught up."""
        self._say("waiting for the worker to catch up")
        deadline = clock.monotonic() + READY_SECONDS
        while not await worker.ready(session):
            if clock.monotonic() > deadline:
                raise worker.failure(
                    f"the worker was not ready within {READY_SECONDS:g} s"
                )
            await self._tick(loader, worker)
        self._timing.ready_seconds = clock.monotonic() - self._timing.begun
        self._timing.warm_events = self._world.truth.produced

    async def _live(
        self, loader: Loader, worker: ChildWorker, session: aiohttp.ClientSession
    ) -> tuple[Incident, ...]:
        """Let the incidents happen."""
        began, seconds = clock.now(), self._options.seconds
        incidents = injected(self._cast, began, seconds)
        self._world.strike(incidents)
        self._say("live traffic")
        next_rates = 0.0
        while (elapsed := clock.now() - began) < seconds:
            self._scene.elapsed = elapsed
            if elapsed >= next_rates:
                next_rates = elapsed + RATES_SECONDS
                self._scene.rates.update(await worker.metrics(session))
            await self._tick(loader, worker)
        return incidents

    async def _tick(self, loader: Loader, worker: ChildWorker) -> None:
        """Write what has happened since the last tick."""
        worker.check()
        before, begun = self._world.truth.produced, clock.monotonic()
        await loader.write(self._world.advance(clock.now()))
        await asyncio.sleep(TICK_SECONDS)
        scene = self._scene
        scene.produced = self._world.truth.produced
        scene.speed = (scene.produced - before) / (clock.monotonic() - begun)
        scene.held = self._world.held
        self._view.show(scene)

    async def _settle(self) -> CountsReport:
        """Read the counts once they cover all that was sent, or time is up."""
        self._say("traffic stopped; reading the counts back")
        deadline = clock.monotonic() + SETTLE_SECONDS
        query = CountsQuery(by=COMPARED_BY)
        while True:
            counts = await asyncio.to_thread(read_counts, self._settings, query)
            complete = counts.ledger.events >= self._world.truth.produced
            if (complete and not counts.unaccounted) or clock.monotonic() > deadline:
                return counts
            await asyncio.sleep(1.0)

    def _report(
        self, incidents: tuple[Incident, ...], counts: CountsReport, status: int
    ) -> DemoReport:
        truth, timing = self._world.truth, self._timing
        report = judge(incidents, self._scene.heard, truth, counts)
        problems = report.problems
        if status:
            problems += (f"the worker ended with status {status}",)
        live = truth.produced - timing.warm_events
        return msgspec.structs.replace(
            report,
            ok=not problems,
            problems=problems,
            held_back=self._world.held,
            seed=self._options.seed,
            history_events=timing.history_events,
            history_seconds=round(timing.history_seconds, 2),
            worker_ready_seconds=round(timing.ready_seconds, 2),
            events_per_second=round(live / self._options.seconds, 1),
        )


def new_world(
    options: DemoOptions, settings: Settings, cast: Cast, brakes: Brakes
) -> World:
    """Return a world whose history ends now."""
    live_from = clock.now()
    policy = WorldPolicy(
        seed=options.seed,
        start=live_from - HISTORY_SECONDS,
        live_from=live_from,
        rate=options.rate,
        history_share=min(1.0, MAX_HISTORY_EVENTS / (options.rate * HISTORY_SECONDS)),
        allowed_lateness=settings.counting.allowed_lateness_seconds,
    )
    return World(policy, cast, brakes)


async def write_history(world: World, loader: Loader) -> None:
    """Write all that happened before the live traffic."""
    moment = world.policy.start
    while moment < world.policy.live_from:
        moment = min(moment + HISTORY_STEP_SECONDS, world.policy.live_from)
        await loader.write(world.advance(moment))


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
