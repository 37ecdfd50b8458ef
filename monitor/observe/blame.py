"""Which few causes explain an excess of failures among the leaves.

Theory of operation. A candidate cause is one value in each of up to three dimensions
(or nothing at all: the fleet); it multiplies the expected failures of its leaves by
one number r or, where plainly likelier, fails one part of all their mail. Its gain is
the Poisson log-likelihood, ``B ln r - (r - 1) M`` of the former, its price
the logarithm of how many candidates of its kind there are, so that a narrow cause must
earn its narrowness. The best candidate is taken, explained away, and the search goes
on while it pays. Where causes overlap the larger expectation rules. A candidate must
also beat a negative binomial, so that a rate that breathes is nobody's fault.

The expectation is a product of effects (``expected.py``): a large innocent campaign at
a bad provider has its own leaves at other providers to speak for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from monitor.observe.arrays import Bools, Floats, Ints
from monitor.observe.detectors.deviance import deviance

#: Columns of ``Leaves.codes``.
DIMENSIONS = ("provider", "ip", "campaign", "tenant", "segment")

#: Combinations that a cause may have, as columns; of several that mean the same leaves
#: the first is taken. Tenants and segments are groups of
#: campaigns or people: they are causes by themselves, but not crossed with others.
COMBINATIONS: tuple[tuple[int, ...], ...] = (
    (0,),
    (1,),
    (2,),
    (3,),
    (4,),
    (1, 0),
    (2, 0),
    (1, 2),
    (1, 2, 0),
    (),
)

#: More causes at once than this are one cause that the dimensions do not name.
MOST_CAUSES = 3

#: Evidence in nats, prices paid, below which a cause is not worth naming. The search
#: only says what an alarm is about; that there is something, a detector has said.
LEAST_GAIN = 3.0

#: A cause is plain if no other name is nearer than this, in nats.
PLAIN_NATS = 5.0

#: Price of one dimension, and of a cause: what a parameter costs in such searches.
DIMENSION_PRICE, CAUSE_PRICE = 2.0, 1.0

#: The nameless dimensions of the fleet cost a little more than the name of the one
#: provider, IP or campaign that all of its mail may have.
FLEET_PRICE = 4.0

#: Rates of leaves differ from their product of effects by about this part.
CV = 0.2

#: Candidates of a round that are refitted together with the causes found before.
FINALISTS = 6

#: Rounds of the joint refit: more change the multipliers by less than a percent.
REFITS = 6

#: A cause with less of the excess than this is not one.
LEAST_SHARE = 0.05

#: A cause is not the whole fleet if so much of what is expected is not touched.
LEAST_SPARED = 0.05

#: The rest of a cause is normal up to so many standard deviations above expectation.
REST_DEVIATIONS = 3.0

#: Leaves without expected failures would make every failure an infinite surprise.
_LEAST_EXPECTED = 1e-6


@dataclass(frozen=True, slots=True)
class Leaves:
    """Leaf counts since the onset.

    Args:
        codes: ``[leaves, DIMENSIONS]``; below 0 where the value is not known.
        failed: failures, ``[leaves]``.
        expected: failures that are normal, ``[leaves]``.
        tried: attempts, ``[leaves]``.
    """

    codes: Ints
    failed: Floats
    expected: Floats
    tried: Floats


class Cause(NamedTuple):
    """One value in each of some dimensions, and what it does.

    ``dimensions`` are columns of ``codes``; ``leaves`` marks the cause's leaves;
    ``share`` is its part of the whole excess; ``lead`` is by how many nats it explains
    what the others leave better than the best other name does.
    """

    dimensions: tuple[int, ...]
    codes: tuple[int, ...]
    leaves: Bools
    multiplier: float
    share: float
    lead: float


class _Candidate(NamedTuple):
    dimensions: tuple[int, ...]
    leaves: Bools
    price: float


class _Fit(NamedTuple):
    multipliers: Floats
    expected: Floats
    value: float


def search(leaves: Leaves, cv: float = CV) -> list[Cause]:
    """Name the causes of an excess, the best first.

    Args:
        leaves: counts since the onset.
        cv: how far rates breathe; 0 for limits that nothing excuses.

    Returns:
        At most ``MOST_CAUSES``; empty if nothing stands out.
    """
    if not len(leaves.failed):
        return []
    expected = np.maximum(leaves.expected, _LEAST_EXPECTED)
    leaves = replace(leaves, expected=expected)
    groupings = [_Grouping(columns, leaves.codes) for columns in COMBINATIONS]
    chosen, fit = _greedy(groupings, leaves, cv)
    if not all(candidate.dimensions for candidate in chosen):
        # The best single name for two large causes may be the whole fleet, which then
        # hides what they are: see what there is without it.
        named = [grouping for grouping in groupings if grouping.columns]
        others, without = _greedy(named, leaves, cv)
        if without.value > fit.value and _spares_some(others, leaves):
            chosen = others
    chosen = _narrowed(chosen, groupings, leaves, cv)
    leads = [
        _lead(one, chosen[:place] + chosen[place + 1 :], groupings, leaves, cv)
        for place, one in enumerate(chosen)
    ]
    return _causes(chosen, _fit(chosen, leaves), leads, leaves)


def _spares_some(chosen: list[_Candidate], leaves: Leaves) -> bool:
    """Whether a good part of the fleet is as it should be, but for some causes."""
    rest = ~np.logical_or.reduce([candidate.leaves for candidate in chosen])
    expected = leaves.expected[rest]
    much = bool(expected.sum() >= LEAST_SPARED * leaves.expected.sum())
    return much and is_normal(leaves.failed[rest], expected)


def _greedy(
    groupings: list["_Grouping"], leaves: Leaves, cv: float
) -> tuple[list[_Candidate], _Fit]:
    """Take the best candidate as long as it pays; and what all of them are worth."""
    chosen: list[_Candidate] = []
    best = _fit(chosen, leaves)
    while len(chosen) < MOST_CAUSES:
        trials = [
            [*chosen, candidate]
            for candidate in _finalists(groupings, leaves, best.expected, cv)
        ]
        fits = [_fit(trial, leaves) for trial in trials]
        values = [fit.value for fit in fits]
        if not values or max(values) - best.value < LEAST_GAIN:
            break
        place = values.index(max(values))
        chosen, best = _pruned(trials[place], fits[place], leaves)
    return chosen, best


class _Grouping:
    """The leaves by their values in some dimensions."""

    def __init__(self, columns: tuple[int, ...], codes: Ints) -> None:
        self.columns = columns
        picked = codes[:, columns]
        known = (picked >= 0).all(axis=1)
        mixed = np.zeros(len(codes), np.int64)
        for column in columns:
            mixed = (mixed << 20) + codes[:, column]
        names, place = np.unique(mixed[known], return_inverse=True)
        self.size = len(names)
        self.place: Ints = np.full(len(codes), -1)
        self.place[known] = place
        self._known = known

    @property
    def price(self) -> float:
        if not self.columns:
            return FLEET_PRICE
        dimensions = DIMENSION_PRICE * len(self.columns)
        return float(np.log(max(self.size, 1))) + dimensions + CAUSE_PRICE

    def sums(self, values: Floats) -> Floats:
        place, known = self.place[self._known], values[self._known]
        sums: Floats = np.bincount(place, known, minlength=self.size).astype(float)
        return sums

    def candidates(
        self, leaves: Leaves, expected: Floats, cv: float
    ) -> Iterator[tuple[float, int]]:
        """Gains, prices paid, and groups of those that chance cannot explain."""
        failed, normal = self.sums(leaves.failed), self.sums(expected)
        shape = np.full(self.size, 1.0 / cv**2 if cv else 1e12)
        surprise = deviance(failed, normal, shape) - np.log(max(self.size, 1))
        ratio = np.maximum(failed / np.maximum(normal, _LEAST_EXPECTED), 1.0)
        gain = failed * np.log(ratio) - (ratio - 1.0) * normal - self.price
        for group in np.flatnonzero(surprise > LEAST_GAIN):
            yield float(gain[group]), int(group)


def _finalists(
    groupings: list[_Grouping], leaves: Leaves, expected: Floats, cv: float
) -> list[_Candidate]:
    found = [
        (gain, -order, group)
        for order, grouping in enumerate(groupings)
        for gain, group in grouping.candidates(leaves, expected, cv)
    ]
    found.sort(reverse=True)
    distinct: dict[bytes, tuple[int, _Candidate]] = {}
    for _, order, group in found[: 2 * FINALISTS]:
        grouping = groupings[-order]
        mine = grouping.place == group
        new = -order, _Candidate(grouping.columns, mine, grouping.price)
        # Names for the very same leaves: the first combination says it best.
        old = distinct.setdefault(mine.tobytes(), new)
        distinct[mine.tobytes()] = min(old, new, key=lambda pair: pair[0])
    return [candidate for _, candidate in list(distinct.values())[:FINALISTS]]


def _fit(chosen: list[_Candidate], leaves: Leaves) -> _Fit:
    """Multipliers of some causes together, and what they are worth, prices paid."""
    failed, normal = leaves.failed, leaves.expected
    made = np.tile(normal, (len(chosen), 1))
    multipliers = np.ones(len(chosen))
    for _ in range(REFITS if len(chosen) > 1 else 1):
        for number, cause in enumerate(chosen):
            rival = np.delete(made, number, axis=0).max(axis=0, initial=0.0)
            own = cause.leaves & (rival <= made[number])
            own = own if own.any() else cause.leaves
            multipliers[number] = max(1.0, failed[own].sum() / normal[own].sum())
            made[number] = _made_by(cause, own, leaves)
    expected = made.max(axis=0, initial=0.0) if chosen else normal
    gain = (failed * np.log(expected / normal) - (expected - normal)).sum()
    price = sum(cause.price for cause in chosen)
    return _Fit(multipliers, expected, float(gain) - price)


def _made_by(cause: _Candidate, own: Bools, leaves: Leaves) -> Floats:
    """Failures expected with one cause, ``[leaves]``, by what its own leaves show.

    A cause may multiply what each of its leaves does anyway, or fail a part of all mail
    there: then those that are best otherwise have risen most, and are no cause of their
    own. The latter is taken where it is plainly the likelier: a choice of two forms
    must not make a cause of chance.
    """
    failed, normal, tried = (
        of[own] for of in (leaves.failed, leaves.expected, leaves.tried)
    )
    lift = max(1.0, failed.sum() / normal.sum())
    level = failed.sum() / max(tried.sum(), _LEAST_EXPECTED)
    lifted, levelled = lift * normal, np.maximum(normal, level * tried)
    made: Floats = leaves.expected.copy()
    if _likelihood(failed, levelled) > _likelihood(failed, lifted) + LEAST_GAIN:
        made[cause.leaves] = np.maximum(
            made[cause.leaves], level * leaves.tried[cause.leaves]
        )
    else:
        made[cause.leaves] *= lift
    return made


def _likelihood(failed: Floats, expected: Floats) -> float:
    return float((failed * np.log(expected) - expected).sum())


def _pruned(
    chosen: list[_Candidate], fit: _Fit, leaves: Leaves
) -> tuple[list[_Candidate], _Fit]:
    """Drop causes that a later and better one has made needless."""
    for number in range(len(chosen) - 1):
        rest = chosen[:number] + chosen[number + 1 :]
        without = _fit(rest, leaves)
        if fit.value - without.value < LEAST_GAIN:
            return _pruned(rest, without, leaves)
    return chosen, fit


def _narrowed(
    chosen: list[_Candidate], groupings: list[_Grouping], leaves: Leaves, cv: float
) -> list[_Candidate]:
    """Replace a cause by a part of it, where the rest of it is as it should be.

    A dimension with few values has a low price, so early on a tenant may be named for
    what one of its campaigns does. Whoever is named is throttled, and the innocent
    rest of a tenant must not be. Combinations stay as they are: most of a pair's mail
    is often of one campaign.
    """
    kept = list(chosen)
    for number, cause in enumerate(chosen):
        if len(cause.dimensions) != 1:
            continue
        expected = _fit(kept[:number] + kept[number + 1 :], leaves).expected
        for part in _finalists(groupings, leaves, expected, cv):
            rest = cause.leaves & ~part.leaves
            inside = not (part.leaves & ~cause.leaves).any()
            alike = inside and len(part.dimensions) == 1 and rest.any()
            if alike and is_normal(leaves.failed[rest], expected[rest]):
                kept[number] = part
                break
    return kept


def _lead(
    cause: _Candidate,
    others: list[_Candidate],
    groupings: list["_Grouping"],
    leaves: Leaves,
    cv: float,
) -> float:
    """By how much a cause is likelier than any other name beside the others."""
    left = replace(leaves, expected=_fit(others, leaves).expected)
    rivals = [
        _fit([rival], left).value
        for rival in _finalists(groupings, left, left.expected, cv)
        if (rival.leaves != cause.leaves).any()
    ]
    return _fit([cause], left).value - max(rivals, default=-np.inf)


def is_normal(failed: Floats, expected: Floats) -> bool:
    """True when the failures are no more than chance makes of what is expected."""
    normal = float(expected.sum())
    return bool(failed.sum() <= normal + REST_DEVIATIONS * np.sqrt(max(normal, 1.0)))


def _causes(
    chosen: list[_Candidate], fit: _Fit, leads: list[float], leaves: Leaves
) -> list[Cause]:
    excess = leaves.failed - leaves.expected
    whole = max(float(excess.sum()), _LEAST_EXPECTED)
    causes = []
    rows = zip(chosen, fit.multipliers, leads, strict=True)
    for candidate, multiplier, lead in rows:
        share = min(1.0, float(excess[candidate.leaves].sum()) / whole)
        first = leaves.codes[np.flatnonzero(candidate.leaves)[0]]
        codes = tuple(int(first[column]) for column in candidate.dimensions)
        if share >= LEAST_SHARE:
            causes.append(
                Cause(
                    candidate.dimensions,
                    codes,
                    candidate.leaves,
                    float(multiplier),
                    share,
                    lead,
                )
            )
    return causes
