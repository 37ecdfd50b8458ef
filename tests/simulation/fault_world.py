"""A world of workers that die between any two effects, all of it from one seed.

Three partitions, two workers, one topic of counts, one reader. Every effect is a step
of its own: reading a record, handing a tally to the producer, its arrival on the topic,
the acknowledgement, the commit, the reader's snapshot; a worker or the reader may die
before any of them. A worker that lost a partition may not know it and go on (a zombie);
what a dead one had sent may arrive later or never; an acknowledgement may be lost, then
the tally is sent twice. The group refuses commits of a generation that is over.
"""

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.laws.counting_log import Recount, recount
from tests.simulation.fault_log import FaultLog
from tests.simulation.fault_parts import LENGTHS, Book, Message, Parts, Reader

PARTITIONS = 3

#: How likely each thing is at each chance it has.
KILL_WORKER = 0.004
KILL_READER = 0.02
FAIL_SEND = 0.03
LOSE_ACK = 0.05
REBALANCE = 0.1
ZOMBIE = 0.7
LEARN = 0.03
GHOST_MOVES = 0.1
GHOST_VANISHES = 0.01


class Killed(Exception):
    """The worker, or the reader, is gone."""


class Commit(NamedTuple):
    """An offset that may be committed once the flush is acknowledged."""

    partition: int
    generation: int
    offset: int


@dataclass(eq=False)
class Worker:
    """One process: its books, what it believes to own, what is on its way."""

    books: dict[int, Book] = field(default_factory=dict)
    generations: dict[int, int] = field(default_factory=dict)
    wire: deque[Message] = field(default_factory=deque)
    pending: list[Commit] = field(default_factory=list)


class FaultWorld:
    """Runs ``steps`` steps, heals, and says what was counted.

    In half of the worlds the topic keeps the order of each producer, as Kafka does, and
    the reader forgets settled slots. In the other half any order is possible, and the
    reader forgets nothing.
    """

    def __init__(self, seed: int, parts: Parts, steps: int) -> None:
        self.rng = random.Random(seed)
        self.parts = parts
        self.steps = steps
        self.orderly = self.rng.random() < 0.5 or parts.orderly
        self.faults = True
        self.happened: Counter[str] = Counter()
        self.logs = [FaultLog(self.rng, LENGTHS) for _ in range(PARTITIONS)]
        self.committed: list[int | None] = [None] * PARTITIONS
        self.generations = [0] * PARTITIONS
        self.workers = [Worker(), Worker()]
        self.ghosts: list[deque[Message]] = []
        self.topic: list[Message] = []
        self.reader = parts.reader()
        self.read_to = 0
        self.saved: tuple[Callable[[], Reader], int] = (self.reader.save(), 0)
        for partition in range(PARTITIONS):
            self._assign(partition)

    def run(self) -> None:
        """All steps, then the healing."""
        for step in range(self.steps):
            if step < self.steps * 3 // 4:
                for _ in range(self.rng.randint(0, 4)):
                    self.rng.choice(self.logs).append()
            if self._chance(REBALANCE):
                self._rebalance(self.rng.randrange(PARTITIONS))
            for worker in list(self.workers):
                self._step(worker)
            self._haunt()
            self._step_reader()
        self._heal()

    @property
    def truth(self) -> Recount:
        """All logs counted plainly."""
        total = Recount()
        for log in self.logs:
            one = recount(log.entries, LENGTHS)
            total.cells.update(one.cells)
            total.reasons.update(one.reasons)
            total.ledger.update(one.ledger)
        return total

    # Chance

    def _chance(self, probability: float) -> bool:
        return self.faults and self.rng.random() < probability

    def _maybe_kill(self, probability: float = KILL_WORKER) -> None:
        if self._chance(probability):
            raise Killed

    # The group

    def _assign(self, partition: int) -> None:
        """Deal a partition; a worker that kept its book goes on from there."""
        worker = self.rng.choice(self.workers)
        self.generations[partition] += 1
        worker.generations[partition] = self.generations[partition]
        if partition in worker.books:
            self.happened["book resumed"] += 1
        else:
            committed = self.committed[partition]
            self.happened["checkpoint resumed"] += committed is not None
            worker.books[partition] = self.parts.book(partition, committed)

    def _rebalance(self, partition: int) -> None:
        for worker in list(self.workers):
            if partition not in worker.generations:
                continue
            if self._chance(ZOMBIE):
                self.happened["zombie"] += 1
                continue
            try:
                self._let_go(worker, partition)
            except Killed:
                self._kill(worker)
        self._assign(partition)

    def _let_go(self, worker: Worker, partition: int) -> None:
        """The worker hears that a partition is not its own; it may park its book."""
        if self.rng.random() < 0.5:
            self._finish(worker)
        worker.generations.pop(partition, None)
        if self.rng.random() < 0.5:
            worker.books.pop(partition, None)

    def _kill(self, worker: Worker) -> None:
        self.happened["worker killed"] += 1
        if self.rng.random() < 0.5:
            self.ghosts.append(worker.wire)
        lost = list(worker.generations)
        self.workers[self.workers.index(worker)] = Worker()
        for partition in lost:
            if worker.generations[partition] == self.generations[partition]:
                self._assign(partition)

    # A worker

    def _step(self, worker: Worker) -> None:
        try:
            match self.rng.randrange(4):
                case 0 | 1:
                    self._read(worker, self.rng.randint(1, 6))
                case 2:
                    self._flush(worker)
                case _:
                    self._deliver(worker, self.rng.randint(1, 6))
            if self._chance(LEARN):
                self._learn(worker)
        except Killed:
            self._kill(worker)

    def _read(self, worker: Worker, most: int) -> None:
        for partition in worker.generations:
            book = worker.books[partition]
            for entry in self.logs[partition].read(book.position, most):
                self._maybe_kill()
                book.read(entry)

    def _flush(self, worker: Worker) -> None:
        """Begin a flush of all books, if the last one is acknowledged."""
        if worker.wire or worker.pending:
            return
        flushes = {partition: book.flush() for partition, book in worker.books.items()}
        for partition, (messages, commit) in flushes.items():
            for message in messages:
                self._maybe_kill()
                if self._chance(FAIL_SEND):
                    self._fail(worker)
                    return
                worker.wire.append(message)
            generation = worker.generations.get(partition)
            if commit is not None and generation is not None:
                worker.pending.append(Commit(partition, generation, commit))
        self._acknowledge(worker)

    def _fail(self, worker: Worker) -> None:
        """The broker refuses a tally; those behind it are not sent either."""
        self.happened["flush failed"] += 1
        if not self.parts.careless:
            raise Killed
        worker.pending.clear()

    def _deliver(self, worker: Worker, most: int) -> None:
        """Some of what is on its way arrives."""
        for _ in range(min(most, len(worker.wire))):
            self._maybe_kill()
            self._arrive(worker.wire)
        self._acknowledge(worker)

    def _arrive(self, wire: deque[Message]) -> None:
        if not self.orderly:
            wire.rotate(self.rng.randrange(len(wire)))
        message = wire.popleft()
        self.topic.append(message)
        while self._chance(LOSE_ACK):
            self.happened["ack lost"] += 1
            self.topic.append(message)

    def _acknowledge(self, worker: Worker) -> None:
        """When all has arrived, commit; a generation that is over is refused."""
        if worker.wire:
            return
        while worker.pending:
            self._maybe_kill()
            commit = worker.pending.pop()
            if commit.generation == self.generations[commit.partition]:
                self.committed[commit.partition] = commit.offset
                self.happened["commit"] += 1
            else:
                self.happened["commit refused"] += 1

    def _finish(self, worker: Worker) -> None:
        """Bring a flush to its end, and make a last one."""
        while worker.wire:
            self._deliver(worker, len(worker.wire))
        self._acknowledge(worker)
        self._flush(worker)
        while worker.wire:
            self._deliver(worker, len(worker.wire))

    def _learn(self, worker: Worker) -> None:
        """A zombie hears the news."""
        for partition, generation in list(worker.generations.items()):
            if generation != self.generations[partition]:
                self._let_go(worker, partition)

    def _haunt(self) -> None:
        """What the dead had sent arrives, bit by bit, or never."""
        for wire in list(self.ghosts):
            if wire and self.rng.random() < GHOST_MOVES:
                self._arrive(wire)
                self.happened["ghost"] += 1
            if not wire or self.rng.random() < GHOST_VANISHES:
                self.ghosts.remove(wire)

    # The reader

    def _step_reader(self) -> None:
        try:
            for message in self.topic[self.read_to :][: self.rng.randint(0, 6)]:
                self._maybe_kill(KILL_READER)
                self.reader.take(message)
                self.read_to += 1
            if self.orderly and self.rng.random() < 0.5:
                self.reader.forget()
            if self.rng.random() < 0.1:
                self.saved = (self.reader.save(), self.read_to)
        except Killed:
            self.happened["reader killed"] += 1
            load, self.read_to = self.saved
            self.reader = load()

    # The end

    def _heal(self) -> None:
        """No more faults, all is read and written.

        One worker or both are frozen meanwhile, and new ones take their place: they
        thaw when all is done, and write what they still hold. Ghosts come last.
        """
        self.faults = False
        frozen = self.workers[: self.rng.choice((1, 2, 2, 2))]
        self.happened["frozen"] += len(frozen)
        self.workers = [*self.workers[len(frozen) :], *(Worker() for _ in frozen)]
        for worker in self.workers:
            self._learn(worker)
            self._finish(worker)
        for partition in range(PARTITIONS):
            self._rebalance(partition)
        for worker in self.workers:
            self._read(worker, len(self.topic) + 10_000)
            self._finish(worker)
        for worker in frozen:
            self._finish(worker)
        while any(self.ghosts):
            self._haunt()
        while self.read_to < len(self.topic):
            self._step_reader()
