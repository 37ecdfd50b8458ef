"""A fleet of independent campaigns, watched by the product.

Counts go in as the deltas that ingest sends; incidents come out as the incidents that
people see. Nothing of the observer is copied or by-passed.
"""

from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from monitor.events import COLUMNS, Cell, Cells, Channel, CountDelta, Incident
from monitor.observe import FleetObserver, ObservePolicy

Floats = npt.NDArray[np.float64]

#: Where the lab's time begins: a round slot, hour and day, epoch seconds.
EPOCH = 1_767_571_200.0

#: An alarm of the whole fleet, or of a scope that is no key of the lab.
NO_KEY = -1

_ATTEMPTS, _DELIVERED = COLUMNS.index("attempts"), COLUMNS.index("delivered")

#: A failure is a hard bounce, which is counted as one and as a bounce.
_FAILURES = [COLUMNS.index(Channel.HARD), COLUMNS.index(Channel.BOUNCE)]


class Observer(Protocol):
    """What is put to the test: the product, or something broken in its place."""

    def apply(self, delta: CountDelta) -> None:
        """Take counts in."""

    def tick(self, now: float) -> list[Incident]:
        """Say what is wrong."""


Make = Callable[[ObservePolicy], Observer]


def product(policy: ObservePolicy) -> Observer:
    """The observer that workers run."""
    return FleetObserver("lab", policy)


class Alarm(NamedTuple):
    """An incident's first word.

    ``key`` is the campaign's number or ``NO_KEY``; ``seconds`` is the lab's time.
    """

    key: int
    seconds: float
    detector: str


class Drive:
    """Feeds an observer, and notes each incident once.

    Args:
        keys: how many campaigns.
        policy: how the observer is set.
        make: makes the observer.
    """

    def __init__(self, keys: int, policy: ObservePolicy, make: Make = product) -> None:
        self._names = np.array([f"c{key}" for key in range(keys)], object)
        self._numbers = {name: key for key, name in enumerate(self._names)}
        self._policy = policy
        self._observer = make(policy)
        self._said: set[str] = set()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A drive that goes on by itself; the product through its own snapshot."""
        twin = copy(self)
        twin._said = set(self._said)
        if isinstance(self._observer, FleetObserver):
            saved = self._observer.snapshot()
            twin._observer = FleetObserver.restore("lab", self._policy, saved)
        else:
            twin._observer = deepcopy(self._observer, memo)
        return twin

    def step(self, end: float, seconds: float, counts: tuple[Floats, Floats]) -> None:
        """Take in events and failures ``[keys]`` of the ``seconds`` before ``end``."""
        tried, failed = counts
        rows = np.flatnonzero(tried)
        if not len(rows):
            return
        matrix = np.zeros((len(rows), len(COLUMNS)), "<i4")
        matrix[:, _ATTEMPTS] = tried[rows]
        matrix[:, _DELIVERED] = tried[rows] - failed[rows]
        matrix[:, _FAILURES] = failed[rows, None]
        slot = int((EPOCH + end - seconds) // self._policy.slot_seconds)
        self._observer.apply(
            CountDelta(
                slot=slot,
                watermark=EPOCH + end,
                cells=self._cells(rows),
                counts=matrix.tobytes(),
            )
        )

    def _cells(self, rows: npt.NDArray[np.int64]) -> Cells:
        """Cells that have a campaign and nothing else."""
        codes = np.zeros((len(rows), len(Cell._fields)), "<u4")
        codes[:, Cell._fields.index("campaign")] = 1 + np.arange(len(rows))
        return Cells(["", *self._names[rows].tolist()], codes.tobytes())

    def tick(self, end: float) -> list[Alarm]:
        """Let the observer look; returns the alarms that are new."""
        alarms = []
        for incident in self._observer.tick(EPOCH + end):
            if incident.id not in self._said:
                self._said.add(incident.id)
                key = self._numbers.get(incident.scope.campaign or "", NO_KEY)
                alarms.append(Alarm(key, end, incident.detector))
        return alarms


def policy_for(
    keys: int, a_thousand: float, detectors: tuple[str, ...]
) -> ObservePolicy:
    """A policy whose knob accepts so many false alarms per 1000 key-days."""
    return ObservePolicy(
        dimensions=("campaign",),
        false_pages_per_week=7.0 * keys * a_thousand / 1_000.0,
        detectors=detectors,
        max_keys=2 * keys + 16,
        max_leaves=2 * keys + 16,
    )
