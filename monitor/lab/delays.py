"""How long a spike takes to be found, against the least that is possible.

The observer looks once a second. A rule that needs D seconds of mail and looks every T
seconds is done after D + T / 2 on average, so that is what the ratio is taken to;
``optimum`` in the table is D alone. ``oracle`` is a CUSUM that is told both rates and
sees the same looks.
"""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from monitor.lab.delay_tables import bounds_of, other_tables, own_table, spread_table
from monitor.lab.drive import Drive, Make, policy_for, product
from monitor.lab.false_alarms import (
    A_THOUSAND,
    OTHERS_WORK,
    STEP,
    FalseAlarmSize,
    equal_thresholds,
)
from monitor.lab.found import LOOK, OURS, Outcome, Stopwatch
from monitor.lab.optimum import Oracle
from monitor.lab.regimes import (
    DAY,
    HOUR,
    MOST_FAILING,
    REGIMES,
    Regime,
    Span,
    Spikes,
    Traffic,
)
from monitor.lab.report import Pace, Report, Tell
from monitor.lab.rules_others import LITERAL, OtherRules
from monitor.lab.scenarios import SCENARIOS, Scenario

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

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


class Fleet:
    """Keys of one regime as their history has left them, and who has watched it.

    Scenarios that begin alike go on from copies of one fleet.

    Args:
        regime: what is normal.
        size: how much to simulate.
        seeds: where chance begins.
        make: makes the observer.
        pace: of the work.
    """

    def __init__(
        self,
        regime: Regime,
        size: DelaySize,
        seeds: tuple[int, int],
        make: Make,
        pace: Pace,
    ) -> None:
        everyone = size.keys + size.company
        self._random, span = np.random.default_rng(seeds), Span(size.history, DAY)
        warm = replace(regime, cold=False)
        self.traffic = Traffic(regime, size.keys, span, self._random)
        # With chances of their own: whoever looks at the others alone sees the same.
        company = np.random.default_rng((*seeds, 1))
        self.healthy = Traffic(warm, size.company, span, company)
        self.drive = Drive(everyone, policy_for(everyone, A_THOUSAND, DETECTORS), make)
        self.others = OtherRules(size.keys)
        #: Keys that have alarmed with nothing wrong.
        self.nervous = np.zeros(size.keys, bool)
        if regime.cold:
            self.traffic.appears[:] = np.inf
        ends = [(number + 1) * STEP for number in range(int(size.history / STEP))]
        for end in pace.over(ends, f"history, {regime.name}"):
            mail, alarmed = self.step(end, STEP)
            self.others.step(*mail, STEP)
            self.nervous |= alarmed

    def step(self, end: float, seconds: float) -> tuple[tuple[Floats, Floats], Bools]:
        """Let all keys send, and the observer look.

        Returns:
            The mail of the keys that may go wrong, and which of them have an alarm.
        """
        mail = self.traffic.step(end, seconds)
        pairs = zip(mail, self.healthy.step(end, seconds), strict=True)
        tried, failed = (np.concatenate(pair) for pair in pairs)
        self.drive.step(end, seconds, (tried, failed))
        mine = np.zeros(len(tried), bool)
        mine[[alarm.key for alarm in self.drive.tick(end) if alarm.key >= 0]] = True
        return mail, mine[: len(mail[0])]

    def copy(self, seeds: tuple[int, int]) -> "Fleet":
        """The same fleet, with other chances from here on."""
        fleet = deepcopy(self)
        state = np.random.default_rng(seeds).bit_generator.state
        fleet._random.bit_generator.state = state
        return fleet

    def spoil(self, scenario: Scenario, first: float) -> Floats:
        """Let one key after the other go wrong; returns when each does."""
        keys = len(self.traffic.rate)
        waits = np.arange(keys) + self._random.uniform(0.0, 1.0, keys)
        change = first + scenario.apart * waits
        self.traffic.spikes = Spikes(change, change + scenario.lasts, scenario.lift)
        if scenario.regime.cold:
            self.traffic.appears = change
        return change


def delay_report(
    size: DelaySize, seed: int, make: Make = product, tell: Tell | None = None
) -> Report:
    """Measure delays of the product and of other rules.

    Args:
        size: how much to simulate.
        seed: where chance begins.
        make: makes the observer.
        tell: is told how far the work has come.
    """
    wanted = [scenario for scenario in SCENARIOS if size.only in scenario.name]
    pace = Pace(_work(size, wanted), tell)
    equal = equal_thresholds(size.quiet, seed, pace)
    outcomes = []
    for regime, scenarios in groupby(wanted, lambda scenario: scenario.regime):
        fleet = Fleet(regime, size, (seed, 100), make, pace)
        for scenario in scenarios:
            seeds = seed, 101 + SCENARIOS.index(scenario)
            outcomes.append(run(scenario, size, fleet.copy(seeds), equal, pace))
    bounds = [bound for outcome in outcomes for bound in bounds_of(outcome)]
    tables = [
        own_table(outcomes),
        spread_table(outcomes),
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
    fleet: Fleet,
    equal: dict[str, float],
    pace: Pace,
) -> Outcome:
    """Run one scenario.

    Args:
        scenario: what goes wrong.
        size: how much to simulate.
        fleet: a copy, which is used up.
        equal: thresholds of the other rules besides the literal ones.
        pace: of the work.
    """
    change = fleet.spoil(scenario, size.history + LEAD_SECONDS)
    watch = Stopwatch(change, scenario)
    watch.early |= fleet.nervous
    oracle = _oracle(fleet.traffic, scenario)
    traffic, others = deepcopy((fleet.traffic, fleet.others))
    looks = _looks(scenario, size)
    # A key that was found, or is too late, is mended, or the fleet would soon be one
    # large incident.
    for end in pace.over(looks, scenario.name):
        _, alarmed = fleet.step(end, LOOK)
        watch.note(end, alarmed, np.inf)
        late = change + scenario.followed < end
        fleet.traffic.mend((watch.first <= end) | late)
    lines = {f"literal {name}": (name, line) for name, line in LITERAL.items()}
    lines |= {f"equal {name}": (name, equal[name]) for name in LITERAL}
    watches = {name: Stopwatch(change, scenario) for name in ("oracle", *lines)}
    for end in pace.over(looks, scenario.name, OTHERS_WORK):
        tried, failed = traffic.step(end, LOOK)
        watches["oracle"].note(end, oracle.step(tried, failed), 0.0)
        scores = others.step(tried, failed, LOOK)
        for title, (name, line) in lines.items():
            watches[title].note(end, scores[name] >= line, BEFORE_SECONDS)
    rules = {OURS: watch} | watches
    delays = {name: rule.delays for name, rule in rules.items()}
    return Outcome(scenario, oracle.floor, delays)


def _oracle(traffic: Traffic, scenario: Scenario) -> Oracle:
    worse = np.minimum(scenario.lift * traffic.rate, MOST_FAILING)
    return Oracle(traffic.rate, worse, traffic.a_second, 1_000.0 * DAY / A_THOUSAND)


def _looks(scenario: Scenario, size: DelaySize) -> list[float]:
    """Ends of the looks until the last key has been followed."""
    scored = LEAD_SECONDS + size.keys * scenario.apart + scenario.followed
    return [size.history + (n + 1) * LOOK for n in range(int(scored / LOOK))]


def _work(size: DelaySize, wanted: list[Scenario]) -> float:
    """All of it, in looks of the product."""
    history = len({scenario.regime for scenario in wanted}) * size.history / STEP
    looks = sum(len(_looks(scenario, size)) for scenario in wanted)
    quiet = len(REGIMES) * size.quiet.steps * OTHERS_WORK
    return history + looks * (1.0 + OTHERS_WORK) + quiet
