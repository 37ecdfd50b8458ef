"""From an anomaly to its causes: where, since when, what is normal there, what is not.

An anomaly only says that some key is over the line, and a bad cause lights many keys.
The inquiry reads the leaf counts since the onset, leaves out what open incidents
explain already, and asks ``blame`` for the causes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from monitor.events import Channel, Scope
from monitor.observe.arrays import Array, Bools, Floats, Ints
from monitor.observe.blame import CV, DIMENSIONS, Cause, Leaves, is_normal, search
from monitor.observe.channels import CHANNELS, FLOOR, NAMES, TWINS
from monitor.observe.keys import FLEET, KINDS, Catalog
from monitor.observe.survey import SlotCounts, Survey

#: Part of the anomaly's excess that a more telling channel needs to name the incident.
NAMING_PART = 0.5

#: Part of the named channel's excess that shows a twin counts the same replies.
TWIN_PART = 0.25

#: Evidence against the key itself, if nothing stands out among its leaves. A shift of
#: mix brings none: what the leaves expect moves with it.
OWN_GAIN = 8.0

#: Below a limit by this part is when a key is good again, so that one that dances on
#: its limit does not open and close all day.
BELOW_LIMIT = 0.8


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause of an anomaly.

    ``channels`` are those that count the same replies, ``channel`` names the incident;
    ``baseline`` is the learned rate, ``good`` the rate from which all is well again;
    ``counts`` begin with the slot of the onset; ``lead`` says how plain the cause is
    (``blame.Cause``).
    """

    scope: Scope
    channel: Channel
    channels: tuple[Channel, ...]
    detector: str
    start: float
    baseline: float
    good: float
    share: float
    counts: tuple[SlotCounts, ...]
    not_affected: tuple[Scope, ...]
    lead: float


class Suspicion(NamedTuple):
    """What a detector says of a channel.

    ``key`` is the place of the key with the best evidence, ``start`` the onset by it;
    ``ceiling`` is the detector's, for all channels; ``cv`` is how far the key's rate
    breathes; ``near`` are places of all keys that are over the line or near it.
    """

    detector: str
    channel: Channel
    key: int
    start: float
    ceiling: Floats
    cv: float
    near: Ints


class Inquiry:
    """Looks into suspicions about one stretch of time.

    Args:
        survey: leaf counts of the slots since the onset.
        explained: for each leaf, the channels that open incidents explain.
        catalog: the leaves and their keys.
        slot_seconds: length of a slot.
    """

    def __init__(
        self, survey: Survey, explained: Bools, catalog: Catalog, slot_seconds: float
    ) -> None:
        self._survey, self._open = survey, ~explained
        self._catalog, self._slot_seconds = catalog, slot_seconds

    def findings(self, suspicion: Suspicion) -> list[Finding]:
        """The causes, the best first; empty if nothing stands out among the leaves."""
        survey, column = self._survey, CHANNELS.index(suspicion.channel)
        allowed = self._allowed(suspicion.ceiling)
        here = np.flatnonzero(self._open[:, column])
        failed, tried = survey.failed[here, column], survey.tried[here, column]
        leaves = Leaves(survey.codes[here], failed, allowed[here, column], tried)
        absolute = np.isfinite(suspicion.ceiling[column])
        causes = search(leaves, 0.0 if absolute else max(CV, suspicion.cv))
        kind = int(self._catalog.key_kind[suspicion.key])
        mine = survey.leaf_keys[here, kind] == suspicion.key
        # What stands out elsewhere has its own detectors, which know how clumpy and how
        # wild it is: it must be near the line by them.
        # The fleet's own evidence says nothing of where.
        narrow = np.delete(survey.leaf_keys[here], FLEET, axis=1)
        near = np.isin(narrow, suspicion.near).any(axis=1) | mine
        near &= leaves.failed > 0
        causes = [cause for cause in causes if (cause.leaves & near).any()]
        if not causes or self._is_too_wide(causes[0], suspicion, leaves, mine):
            causes = self._own(suspicion, leaves, mine) or causes
        return [
            self._finding(suspicion, here[cause.leaves], allowed, cause)
            for cause in causes
        ]

    def _allowed(self, ceiling: Floats) -> Floats:
        """Failures that the detector takes for normal, ``[leaves, channels]``."""
        survey = self._survey
        # A complaint may come for mail that was delivered before the onset.
        below = np.maximum(survey.tried, survey.failed)
        allowed: Floats = below * np.where(np.isfinite(ceiling), ceiling, survey.rate)
        return allowed

    def _is_too_wide(
        self, cause: Cause, suspicion: Suspicion, leaves: Leaves, mine: Bools
    ) -> bool:
        """True if the key is a part of a cause, its rest is as it should be, and the
        cause's own key is nowhere near the line.
        """
        rest = cause.leaves & ~mine
        if len(cause.dimensions) > 1 or (mine & ~cause.leaves).any() or not rest.any():
            return False
        wide = cause.codes[0] if cause.codes else FLEET
        far = wide not in suspicion.near
        return far and is_normal(leaves.failed[rest], leaves.expected[rest])

    def _own(self, suspicion: Suspicion, leaves: Leaves, mine: Bools) -> list[Cause]:
        """The key itself as the cause: a limit is exceeded by whom it is exceeded, and
        a small lift of one key may be plain to its detector only.

        Args:
            suspicion: the key, and what is said of it.
            leaves: counts since the onset.
            mine: which of the leaves are the key's.
        """
        if not mine.any():
            return []
        expected = max(float(leaves.expected[mine].sum()), 1e-9)
        failed = float(leaves.failed[mine].sum())
        ratio = max(failed / expected, 1.0)
        gain = failed * np.log(ratio) - (ratio - 1.0) * expected
        absolute = np.isfinite(suspicion.ceiling).any()
        if gain < OWN_GAIN and not absolute:
            return []
        kind = int(self._catalog.key_kind[suspicion.key])
        names = [] if kind == FLEET else KINDS[kind].split("_")
        dimensions = tuple(DIMENSIONS.index(name) for name in names)
        first = leaves.codes[np.flatnonzero(mine)[0]]
        codes = tuple(int(first[dimension]) for dimension in dimensions)
        return [Cause(dimensions, codes, mine, ratio, share=1.0, lead=np.inf)]

    def _finding(
        self, suspicion: Suspicion, mine: Ints, allowed: Floats, cause: Cause
    ) -> Finding:
        survey = self._survey
        excess = ((survey.failed - allowed) * self._open)[mine].sum(axis=0)
        channel = _name(suspicion.channel, excess)
        column = CHANNELS.index(channel)
        tried = max(float(survey.tried[mine, column].sum()), 1e-9)
        normal = float(survey.normal[mine, column].sum()) / tried
        baseline = min(1.0, max(normal, float(FLOOR[column])))
        ceiling = float(suspicion.ceiling[column])
        absolute = bool(np.isfinite(ceiling))
        slots = survey.by_slot(mine)
        first = _onset(
            slots, column, ceiling if absolute else baseline, cause.multiplier
        )
        scope = survey.scope(cause.dimensions, cause.codes)
        siblings = survey.not_affected(scope, column, self._open[:, column])
        return Finding(
            scope=scope,
            channel=channel,
            channels=_counted_in(suspicion.channel, channel, excess),
            detector=suspicion.detector,
            start=self._start(slots[first].slot, suspicion.start),
            baseline=baseline,
            good=BELOW_LIMIT * ceiling if absolute else baseline,
            share=cause.share,
            counts=slots[first:],
            not_affected=tuple(siblings),
            lead=cause.lead,
        )

    def _start(self, slot: int, suspected: float) -> float:
        """The suspected time, moved into the slot of the onset."""
        begins = slot * self._slot_seconds
        return min(max(suspected, begins), begins + self._slot_seconds - 1.0)


def _name(alarmed: Channel, excess: Floats) -> Channel:
    needed = NAMING_PART * excess[CHANNELS.index(alarmed)]
    names = NAMES[alarmed]
    return next((c for c in names if excess[CHANNELS.index(c)] >= needed), alarmed)


def _counted_in(
    alarmed: Channel, named: Channel, excess: Floats
) -> tuple[Channel, ...]:
    """The channels that count the same replies as the named one."""
    needed = TWIN_PART * excess[CHANNELS.index(named)]
    twins = (c for c in TWINS[named] if excess[CHANNELS.index(c)] >= needed)
    return tuple(dict.fromkeys((named, alarmed, *twins)))


def _onset(
    slots: tuple[SlotCounts, ...], column: int, allowed: float, multiplier: float
) -> int:
    """The slot from which "the rate is r times as high" has the most evidence."""
    failed: Array = np.array([slot.failed[column] for slot in slots])
    expected = np.array([slot.tried[column] for slot in slots]) * allowed
    lift = max(multiplier, 1.01)
    gain = failed * np.log(lift) - (lift - 1.0) * expected
    return int(np.argmax(gain[::-1].cumsum()[::-1]))
