"""How long a spike takes to be found, against the least that is possible.

The observer looks once a second. A rule that needs D seconds of mail and looks every T
seconds is done after D + T / 2 on average, so that is what the ratio is taken to;
``optimum`` in the table is D alone. ``oracle`` is a CUSUM that is told both rates and
sees the same looks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from monitor.lab.delay_tables import bounds_of, other_tables, own_table
from monitor.lab.drive import Drive, Make, policy_for, product
from monitor.lab.false_alarms import A_THOUSAND, STEP, FalseAlarmSize, equal_thresholds
from monitor.lab.found import LOOK, OURS, Delays, Outcome, Stopwatch
from monitor.lab.optimum import Oracle
from monitor.lab.regimes import (
    DAY,
    HOUR,
    MOST_FAILING,
    Regime,
    Span,
    Spikes,
    Traffic,
)
from monitor.lab.report import Report
from monitor.lab.rules_others import LITERAL, OtherRules
from monitor.lab.scenarios import SCENARIOS, Scenario

Floats = npt.NDArray[np.float64]

#: The product as it comes: whichever rule is first.
DETECTORS = ("nb_glr", "limit")

#: Quiet seconds at the beginning of the scored time.
LEAD_SECONDS = 60.0

#: One of these rules that was over its line so short before a change gets no credit.
BEFORE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class DelaySize:
    """How much to simulate.

    Args:
        keys: changes of each scenario.
        company: healthy keys beside them, so that few of the fleet are bad at a time.
        history: seconds of history.
        quiet: sizes of the run that sets the other rules' thresholds.
        only: part of the names of the scenarios to run.
    """

    keys: int = 200
    company: int = 200
    history: float = 8 * HOUR
    quiet: FalseAlarmSize = field(default_factory=FalseAlarmSize)
    only: str = ""


def delay_report(
    size: DelaySize,
    seed: int,
    make: Make = product,
    note: Callable[[str], None] = lambda _: None,
) -> Report:
    """Measure delays of the product and of other rules.

    Args:
        size: how much to simulate.
        seed: where chance begins.
        make: makes the observer.
        note: is told how far the work has come.
    """
    equal = equal_thresholds(size.quiet, seed)
    note("thresholds of the other rules are set")
    outcomes = []
    for number, scenario in enumerate(SCENARIOS):
        if size.only in scenario.name:
            outcomes.append(run(scenario, size, (seed, 100 + number), equal, make))
            note(scenario.name)
    bounds = [bound for outcome in outcomes for bound in bounds_of(outcome)]
    tables = [
        own_table(outcomes),
        *other_tables("thresholds of the books", outcomes, "literal", dict(LITERAL)),
        *other_tables("as few false alarms", outcomes, "equal", equal),
    ]
    sizes = {
        "keys": size.keys,
        "company": size.company,
        "history": size.history,
        "quiet": size.quiet.keys,
    }
    return Report.of("delays", (seed, sizes), tables, bounds)


def run(
    scenario: Scenario,
    size: DelaySize,
    seeds: tuple[int, int],
    equal: dict[str, float],
    make: Make = product,
) -> Outcome:
    """Run one scenario.

    Args:
        scenario: what goes wrong.
        size: how much to simulate.
        seeds: where chance begins.
        equal: thresholds of the other rules besides the literal ones.
        make: makes the observer.
    """
    ours = _watch(scenario, size, np.random.default_rng(seeds), make)
    floor, others = _compare(scenario, size, np.random.default_rng(seeds), equal)
    return Outcome(scenario, floor, {OURS: ours} | others)


def _watch(
    scenario: Scenario, size: DelaySize, random: np.random.Generator, make: Make
) -> Delays:
    """The product at work. A key that was found is mended, or the fleet would soon be
    one large incident.
    """
    keys, span = size.keys, _span(scenario, size)
    everyone = keys + size.company
    traffic, change = _traffic(scenario, keys, span, random)
    healthy = Traffic(_warm(scenario), size.company, span, random)
    drive = Drive(everyone, policy_for(everyone, A_THOUSAND, DETECTORS), make)
    watch = Stopwatch(change, scenario)
    for end, seconds in _looks(span):
        pairs = zip(traffic.step(end, seconds), healthy.step(end, seconds), strict=True)
        tried, failed = (np.concatenate(pair) for pair in pairs)
        drive.step(end, seconds, (tried, failed))
        alarmed = np.zeros(keys, bool)
        alarmed[[a.key for a in drive.tick(end) if 0 <= a.key < keys]] = True
        watch.note(end, alarmed, np.inf)
        traffic.mend(watch.first <= end, end)
    return watch.delays


def _compare(
    scenario: Scenario,
    size: DelaySize,
    random: np.random.Generator,
    equal: dict[str, float],
) -> tuple[Floats, dict[str, Delays]]:
    """The optimum of each key, seconds, and the other rules at work."""
    keys, span = size.keys, _span(scenario, size)
    traffic, change = _traffic(scenario, keys, span, random)
    others, oracle = OtherRules(keys), _oracle(traffic, scenario)
    lines = {f"literal {name}": (name, line) for name, line in LITERAL.items()}
    lines |= {f"equal {name}": (name, equal[name]) for name in LITERAL}
    watches = {name: Stopwatch(change, scenario) for name in ("oracle", *lines)}
    for end, seconds in _looks(span):
        tried, failed = traffic.step(end, seconds)
        watches["oracle"].note(end, oracle.step(tried, failed), 0.0)
        scores = others.step(tried, failed, seconds)
        for title, (name, line) in lines.items():
            watches[title].note(end, scores[name] >= line, BEFORE_SECONDS)
    return oracle.floor, {name: watch.delays for name, watch in watches.items()}


def _span(scenario: Scenario, size: DelaySize) -> Span:
    changes = LEAD_SECONDS + size.keys * scenario.apart
    return Span(size.history, changes + scenario.followed)


def _traffic(
    scenario: Scenario, keys: int, span: Span, random: np.random.Generator
) -> tuple[Traffic, Floats]:
    """Mail that goes wrong, and when each key does."""
    waits = np.arange(keys) + random.uniform(0.0, 1.0, keys)
    change = span.history + LEAD_SECONDS + scenario.apart * waits
    spikes = Spikes(change, change + scenario.lasts, scenario.lift)
    traffic = Traffic(scenario.regime, keys, span, random, spikes)
    if scenario.regime.cold:
        traffic.appears = change
    return traffic, change


def _warm(scenario: Scenario) -> Regime:
    return replace(scenario.regime, cold=False)


def _oracle(traffic: Traffic, scenario: Scenario) -> Oracle:
    worse = np.minimum(scenario.lift * traffic.rate, MOST_FAILING)
    return Oracle(traffic.rate, worse, traffic.a_second, 1_000.0 * DAY / A_THOUSAND)


def _looks(span: Span) -> Iterator[tuple[float, float]]:
    """Ends and lengths of looks: by slot in the history, then by second."""
    for number in range(int(span.history / STEP)):
        yield (number + 1) * STEP, STEP
    for number in range(int(span.scored / LOOK)):
        yield span.history + (number + 1) * LOOK, LOOK
