"""Reports are repeatable, and broken observers fail in them."""

from collections.abc import Callable
from dataclasses import replace
from math import inf, nan

import msgspec
import pytest

from monitor.events import (
    Channel,
    CountDelta,
    Incident,
    IncidentState,
    Scope,
    Severity,
)
from monitor.lab.blame_cases import blame_report
from monitor.lab.delays import DelaySize, Fleet, delay_report
from monitor.lab.drive import Make, Observer, product
from monitor.lab.false_alarms import FalseAlarmSize, false_alarm_report
from monitor.lab.regimes import Regime
from monitor.lab.report import Bound, Pace, Report
from monitor.lab.scenarios import Scenario
from monitor.observe import ObservePolicy
from monitor.observe.blame import Leaves

QUIET = FalseAlarmSize(keys=4, history=620.0, scored=60.0)
DELAYS = DelaySize(keys=3, company=5, history=900.0, quiet=QUIET, only="50/s step x20")


class Deaf:
    """Never alarms."""

    def __init__(self, policy: ObservePolicy) -> None:
        pass

    def apply(self, delta: CountDelta) -> None:
        pass

    def tick(self, now: float) -> list[Incident]:
        return []


class Nervous(Deaf):
    """Has an alarm for every campaign at every tick."""

    def __init__(self, policy: ObservePolicy) -> None:
        self._campaigns: set[str] = set()

    def apply(self, delta: CountDelta) -> None:
        self._campaigns |= {cell.campaign for cell in delta.cells}

    def tick(self, now: float) -> list[Incident]:
        return [_incident(name, now) for name in sorted(self._campaigns)]


def _incident(campaign: str, now: float) -> Incident:
    return Incident(
        id=f"{campaign} {now}",
        fleet="lab",
        scope=Scope(campaign=campaign),
        channel=Channel.HARD,
        state=IncidentState.OPEN,
        severity=Severity.TICKET,
        detector="nervous",
        start=now,
        detected_at=now,
        updated_at=now,
        rate=1.0,
        rate_low=1.0,
        rate_high=1.0,
        baseline=0.1,
        lift=10.0,
        excess=1.0,
        attempts=1.0,
        share=1.0,
    )


def bounds(report: Report) -> dict[str, Bound]:
    return {bound.name: bound for bound in report.bounds}


def timer() -> float:
    return 0.0


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: false_alarm_report(QUIET, seed),
        lambda seed: delay_report(DELAYS, seed),
        lambda seed: blame_report(2, seed, timer),
    ],
    ids=["false alarms", "delays", "blame"],
)
def test_a_seed_gives_the_same_report(make: Callable[[int], Report]) -> None:
    assert make(3).as_json() == make(3).as_json()


def test_in_company_or_alone_a_quiet_fleet_is_quiet() -> None:
    for together in (False, True):
        report = false_alarm_report(replace(QUIET, together=together), 3)
        assert report.tables[0].rows[0][0] == "stationary, 1/s"
        assert report.tables[0].rows[0][1] == 0.0


@pytest.mark.parametrize(
    ("make", "kept"), [(Deaf, True), (Nervous, False)], ids=["deaf", "nervous"]
)
def test_false_alarms_show_the_nervous(make: Make, kept: bool) -> None:
    report = false_alarm_report(QUIET, 3, make)
    assert [bound.kept for bound in report.bounds] == [kept, kept]


@pytest.mark.parametrize("make", [Deaf, Nervous], ids=["deaf", "nervous"])
def test_delays_show_the_deaf_and_the_nervous(make: Make) -> None:
    (bound,) = delay_report(DELAYS, 3, make).bounds
    assert not bound.kept


def test_the_product_finds_gross_steps() -> None:
    (bound,) = delay_report(DELAYS, 3, product).bounds
    assert bound.value < 5.0


def test_blame_shows_the_silent_and_the_babbler() -> None:
    def silent(leaves: Leaves) -> set[frozenset[tuple[int, int]]]:
        return set()

    def babbling(leaves: Leaves) -> set[frozenset[tuple[int, int]]]:
        return {frozenset({(0, int(code))}) for code in set(leaves.codes[:, 0])}

    for by in (silent, babbling):
        found = bounds(blame_report(2, 3, timer, by))
        assert not any(
            bound.kept for name, bound in found.items() if "millisec" not in name
        )


def test_blame_that_takes_long_is_shown() -> None:
    seconds = iter(range(1_000))
    found = bounds(blame_report(2, 3, lambda: float(next(seconds))))
    assert not found["milliseconds, worst median"].kept


@pytest.mark.parametrize(
    ("value", "at_least", "kept"),
    [
        (1.0, False, True),
        (1.1, False, False),
        (1.0, True, True),
        (0.9, True, False),
        (nan, True, False),
        (nan, False, False),
        (inf, False, False),
    ],
)
def test_bounds(value: float, at_least: bool, kept: bool) -> None:
    assert Bound("b", value, 1.0, at_least).kept is kept


def test_json_says_whether_bounds_are_kept() -> None:
    report = Report.of("r", (1, {}), [], [Bound("a", inf, 1.0), Bound("b", 0.5, 1.0)])
    said = msgspec.json.decode(report.as_json())
    assert [bound["kept"] for bound in said["bounds"]] == [False, True]
    assert said["bounds"][0]["value"] is None
    assert said["kept"] is False


def test_the_product_is_what_workers_run() -> None:
    observer: Observer = product(ObservePolicy())
    assert observer.tick(0.0) == []


def test_a_copy_of_a_fleet_goes_on_as_the_fleet_does() -> None:
    regime = Regime("steady", a_second=(20.0, 20.0))
    size = DelaySize(keys=4, company=20, history=900.0)
    fleet = Fleet(regime, size, (3, 1), product, Pace(1.0))
    copies = [fleet.copy((3, 2)) for _ in range(2)]
    scenario = Scenario("gross", regime, 20.0, apart=2.0)
    said: list[list[bool]] = []
    for copy in copies:
        copy.spoil(scenario, 905.0)
        said.append([])
        for second in range(30):
            _, alarmed = copy.step(901.0 + second, 1.0)
            said[-1] += alarmed.tolist()
    assert said[0] == said[1]
    assert any(said[0])
    assert fleet.traffic.spikes is None


def test_progress_is_told_now_and_then() -> None:
    told: list[tuple[str, float]] = []
    pace = Pace(10_000.0, lambda what, part: told.append((what, part)))
    assert sum(pace.over([1] * 8_000, "most")) == 8_000
    assert sum(pace.over([1] * 4_000, "rest", 0.5)) == 4_000
    assert {what for what, _ in told} == {"most", "rest"}
    parts = [part for _, part in told]
    assert parts == sorted(parts)
    assert 0.99 < parts[-1] <= 1.0
    assert 400 <= len(told) <= 500
