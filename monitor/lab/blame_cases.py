"""Made incidents with known causes: does blame name exactly them, and how fast?

An incident is some thousand leaves of provider x IP x campaign with Zipf volumes, rates
that are a product of effects, and one or two causes that multiply them. The volume is
that of the first half minute of a busy fleet.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.lab.report import Bound, Report, Table, Value
from monitor.observe.blame import DIMENSIONS, Leaves, search

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Values of provider, IP, campaign; part of their combinations that send.
SHAPE = (12, 20, 40)
DENSITY = 0.25

#: Attempts since the onset, and how rates differ: log-sd of providers, of campaigns,
#: and of each leaf on top of what was learned.
ATTEMPTS = 30_000.0
PROVIDER_SPREAD, CAMPAIGN_SPREAD, LEAF_SPREAD = 0.5, 0.4, 0.15
MEAN_RATE = 0.02

#: What a cause multiplies rates with.
LIFTS = (3.0, 5.0, 10.0)

#: A cause that can be named: it expects some failures, has more than one leaf, and is
#: not most of the fleet.
LEAST_EXPECTED, MOST_PART, DRAWS = 8.0, 0.6, 50

#: Dimensions of the causes, as columns of ``DIMENSIONS``.
PROVIDER, IP, CAMPAIGN = (DIMENSIONS.index(d) for d in ("provider", "ip", "campaign"))
CASES: dict[str, tuple[tuple[int, ...], ...]] = {
    "provider": ((PROVIDER,),),
    "IP": ((IP,),),
    "campaign": ((CAMPAIGN,),),
    "IP x provider": ((PROVIDER, IP),),
    "campaign x provider": ((PROVIDER, CAMPAIGN),),
    "provider + IP": ((PROVIDER,), (IP,)),
    "IP + campaign": ((IP,), (CAMPAIGN,)),
    "IP x provider + campaign": ((PROVIDER, IP), (CAMPAIGN,)),
}
SINGLES = ("provider", "IP", "campaign")
PAIRS = ("IP x provider", "campaign x provider")
DOUBLES = tuple(name for name, causes in CASES.items() if len(causes) == 2)

#: What was promised.
LEAST_EXACT_SINGLE, LEAST_EXACT_PAIR, LEAST_F1 = 0.92, 0.90, 0.85
MOST_MILLISECONDS = 20.0

#: A cause: pairs of a dimension and a code in it.
Name = frozenset[tuple[int, int]]

Search = Callable[[Leaves], set[Name]]


class Incident(NamedTuple):
    """Leaf counts, and what was done to them."""

    leaves: Leaves
    causes: frozenset[Name]


class Score(NamedTuple):
    """Means over the incidents of a case; of the time the median."""

    exact: float
    f1: float
    milliseconds: float


def named_by_product(leaves: Leaves) -> set[Name]:
    """The causes that the product names."""
    return {
        frozenset(zip(cause.dimensions, cause.codes, strict=True))
        for cause in search(leaves)
    }


def blame_report(
    incidents: int,
    seed: int,
    timer: Callable[[], float],
    search_by: Search = named_by_product,
) -> Report:
    """Score the naming of causes.

    Args:
        incidents: how many of each case.
        seed: where chance begins.
        timer: seconds since some moment.
        search_by: what names the causes.
    """
    scores = {}
    for number, (name, causes) in enumerate(CASES.items()):
        random = np.random.default_rng([seed, 200 + number])
        made = [incident(causes, random) for _ in range(incidents)]
        scores[name] = _score(made, timer, search_by)
    rows: list[tuple[Value, ...]] = [(name, *score) for name, score in scores.items()]
    columns = ("cause", "exact", "F1", "ms")
    table = Table("Causes named", columns, tuple(rows))
    exact = {name: score.exact for name, score in scores.items()}
    bounds = [
        Bound("one dimension, exact", _mean(exact, SINGLES), LEAST_EXACT_SINGLE, True),
        Bound("pairs, exact", _mean(exact, PAIRS), LEAST_EXACT_PAIR, True),
        Bound(
            "two causes, F1",
            _mean({name: score.f1 for name, score in scores.items()}, DOUBLES),
            LEAST_F1,
            True,
        ),
        Bound(
            "milliseconds, worst median",
            max(score.milliseconds for score in scores.values()),
            MOST_MILLISECONDS,
        ),
    ]
    return Report.of("blame", (seed, {"incidents": incidents}), [table], bounds)


def incident(
    causes: tuple[tuple[int, ...], ...], random: np.random.Generator
) -> Incident:
    """Make one.

    Args:
        causes: the dimensions of each cause.
        random: where chance comes from.
    """
    codes = np.argwhere(random.random(SHAPE) < DENSITY)
    weight = np.ones(len(codes))
    for column, size in enumerate(SHAPE):
        weight /= np.arange(1, size + 1)[codes[:, column]]
    tried = random.poisson(ATTEMPTS * weight / weight.sum())
    rate = MEAN_RATE * np.exp(
        PROVIDER_SPREAD * random.standard_normal(SHAPE[0])[codes[:, PROVIDER]]
        + CAMPAIGN_SPREAD * random.standard_normal(SHAPE[2])[codes[:, CAMPAIGN]]
    )
    normal = tried * np.clip(rate, 0.001, 0.3)
    lift, names = np.ones(len(codes)), set()
    for dimensions in causes:
        name, mine = _cause(dimensions, codes, (tried, normal), random)
        lift[mine] = np.maximum(lift[mine], random.choice(LIFTS))
        names.add(name)
    own = np.exp(LEAF_SPREAD * random.standard_normal(len(codes)))
    worse = np.clip(normal / np.maximum(tried, 1) * lift * own, 0.0, 0.9)
    failed = random.binomial(tried, worse).astype(float)
    every = np.full((len(codes), len(DIMENSIONS)), -1)
    every[:, : len(SHAPE)] = codes
    return Incident(
        Leaves(every, failed, normal, tried.astype(float)), frozenset(names)
    )


def _cause(
    dimensions: tuple[int, ...],
    codes: npt.NDArray[np.int64],
    counts: tuple[npt.NDArray[np.int64], Floats],
    random: np.random.Generator,
) -> tuple[Name, Bools]:
    """Draw a cause that can be named, busy ones more often; and its leaves."""
    tried, normal = counts
    for _ in range(DRAWS):
        row = codes[random.choice(len(codes), p=tried / tried.sum())]
        mine = (codes[:, dimensions] == row[list(dimensions)]).all(axis=1)
        enough = normal[mine].sum() > LEAST_EXPECTED and mine.sum() > 1
        if enough and tried[mine].sum() < MOST_PART * tried.sum():
            break
    return frozenset((d, int(row[d])) for d in dimensions), mine


def _score(made: list[Incident], timer: Callable[[], float], by: Search) -> Score:
    exact, f1, seconds = [], [], []
    for one in made:
        begun = timer()
        names = by(one.leaves)
        seconds.append(timer() - begun)
        both = len(names & one.causes)
        exact.append(names == one.causes)
        f1.append(2.0 * both / max(len(names) + len(one.causes), 1))
    # The median, since a busy machine makes some searches long.
    milliseconds = 1_000.0 * float(np.median(seconds))
    return Score(float(np.mean(exact)), float(np.mean(f1)), milliseconds)


def _mean(values: dict[str, float], names: tuple[str, ...]) -> float:
    return sum(values[name] for name in names) / len(names)
