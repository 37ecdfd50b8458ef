"""Faust's commit loop with our hooks: what the sink hears, and the next try."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import faust
import pytest
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.types import TP

from monitor.service.transport import hear_expulsions, install

INPUT, COMMANDS = TP("delivery.events", 0), TP("bounce.commands", 0)


class Sink:
    """Offers one offset, and notes how commits end."""

    fenced = False

    def __init__(self) -> None:
        self.offset: int | None = None
        self.expulsions = 0
        self.heard: list[tuple[Mapping[TP, int], bool]] = []

    def expelled(self) -> None:
        self.expulsions += 1

    def committable(self, tp: TP) -> int | None:
        return self.offset

    def commit_ended(self, offsets: Mapping[TP, int], done: bool) -> None:
        self.heard.append((offsets, done))


class Thread:
    """Faust's consumer thread, as the commit loop sees it."""

    answer: bool | Exception = True

    def __init__(self) -> None:
        self.called: list[tuple[object, ...]] = []

    def assignment(self) -> set[TP]:
        return {INPUT, COMMANDS}

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def _ensure_consumer(self) -> SimpleNamespace:
        return SimpleNamespace(seek="the seek of aiokafka")

    async def call_thread(self, *call: object) -> None:
        self.called.append(call)


class Producer:
    async def flush(self) -> None:
        pass


class Rig(NamedTuple):
    consumer: Any
    thread: Thread
    sink: Sink


def make_rig() -> Rig:
    sink = Sink()
    app = faust.App(
        "rig", store="memory://", web_enabled=False, autodiscover=False, debug=False
    )
    install(app, sink, [INPUT.topic])  # type: ignore[arg-type]
    consumer = app.consumer
    consumer._thread.thread_loop.close()
    consumer._thread = thread = Thread()
    app.producer = Producer()
    consumer._committed_offset[INPUT] = 3
    consumer._acked[INPUT]
    return Rig(consumer, thread, sink)


@pytest.fixture(autouse=True)
def _own_fetcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """``install`` puts a class of ours there for good."""
    monkeypatch.setattr(fetcher, "PartitionRecords", fetcher.PartitionRecords)


def test_a_commit_that_the_group_refused_is_tried_again() -> None:
    async def story() -> Rig:
        rig = make_rig()
        rig.sink.offset = 7
        rig.thread.answer = False  # Faust's word for: the group has moved on
        assert not await rig.consumer.commit()
        rig.thread.answer = True
        assert await rig.consumer.commit()
        await rig.consumer.commit()
        return rig

    heard = asyncio.run(story()).sink.heard
    assert heard == [({INPUT: 7}, False), ({INPUT: 7}, True)], "and no third one"


def test_a_seek_happens_in_the_thread_that_hands_out_records() -> None:
    async def story() -> Rig:
        rig = make_rig()
        await rig.consumer.seek(INPUT, 5)
        return rig

    consumer, thread, _ = asyncio.run(story())
    assert thread.called == [("the seek of aiokafka", INPUT, 5)]
    assert consumer._read_offset[INPUT] == 5


def test_a_commit_that_raises_has_failed() -> None:
    async def story() -> Rig:
        rig = make_rig()
        rig.sink.offset = 7
        rig.thread.answer = OSError("the thread is gone")
        with pytest.raises(OSError, match="gone"):
            await rig.consumer.commit()
        return rig

    assert asyncio.run(story()).sink.heard == [({INPUT: 7}, False)]


def test_nothing_to_commit_and_other_topics_are_not_heard_of() -> None:
    async def story() -> Rig:
        rig = make_rig()
        await rig.consumer.commit()
        rig.sink.offset = 3
        await rig.consumer.commit()
        await rig.consumer._commit({COMMANDS: 5})
        await rig.consumer._commit({COMMANDS: 5, INPUT: 4})
        return rig

    assert asyncio.run(story()).sink.heard == [({INPUT: 4}, True)]


class Coordinator:
    """aiokafka's group coordinator, as far as membership goes."""

    reset_generation = GroupCoordinator.reset_generation

    def __init__(self) -> None:
        self.generation = 5
        self.member_id = "me"
        self.rejoins = 0

    def request_rejoin(self) -> None:
        self.rejoins += 1


def test_a_refused_commit_of_many_partitions_is_one_expulsion() -> None:
    sink, coordinator = Sink(), Coordinator()
    hear_expulsions(coordinator, sink)  # type: ignore[arg-type]
    for _ in range(8):  # aiokafka goes through the partitions of the answer
        coordinator.reset_generation()
    assert sink.expulsions == 1
    assert (coordinator.generation, coordinator.member_id) == (-1, "")
    coordinator.generation = 6
    coordinator.reset_generation()
    assert sink.expulsions == 2


def test_who_is_fenced_does_not_join_again() -> None:
    sink, coordinator = Sink(), Coordinator()
    sink.fenced = True
    hear_expulsions(coordinator, sink)  # type: ignore[arg-type]
    coordinator.reset_generation()
    assert coordinator.rejoins == 0
    assert coordinator.generation == 5
