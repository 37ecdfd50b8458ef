"""What figures show is what was measured."""

from math import isfinite, isnan, log, nan

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.lab.delays import DelaySize, delay_report
from monitor.lab.false_alarms import FalseAlarmSize, false_alarm_report
from monitor.lab.plots import (
    alarm_figure,
    delay_figure,
    poisson_interval,
)
from monitor.lab.reading import report_of
from monitor.lab.report import Bound, Report, Table, Value

QUIET = FalseAlarmSize(keys=4, history=620.0, scored=60.0, together=True)
DELAYS = DelaySize(keys=3, company=5, history=900.0, quiet=QUIET, only="50/s step x20")


def alarms(*rows: tuple[Value, ...]) -> Report:
    headings = ("regime", "bouncemon", "5 % over 5 min", "z-score")
    table = Table("False alarms per 1000 key-days", headings, rows)
    sizes = {"keys": 500.0, "scored": 43_200.0, "together": 0.0}
    return Report.of("false-alarms", (3, sizes), [table], [])


def delays(others: float, spread: bool = True) -> Report:
    rows: list[Table] = [
        Table(
            "Delays, seconds",
            ("scenario", "found", "median", "optimum", "ratio"),
            (
                ("50/s step x5", 1.0, 5.5, 4.5, 1.1),
                ("1/s step x2", 0.3, nan, 1500.0, nan),
                ("50/s step x5, breathes", 0.9, 40.0, 4.5, 9.0),
            ),
        ),
        Table(
            "Other rules, as few false alarms: median seconds",
            ("scenario", "z-score"),
            (
                ("(threshold)", 14.0),
                ("50/s step x5", others),
                ("1/s step x2", nan),
                ("50/s step x5, breathes", 100.0),
            ),
        ),
    ]
    if spread:
        row = ("50/s step x5", 0.6, 1.1, 2.2)
        headings = ("scenario", "10 %", "50 %", "90 %")
        rows.append(Table("Delay over optimum, parts of the keys", headings, (row,)))
    bound = Bound("50/s step x5: delay over optimum", 1.1, 1.3)
    return Report.of("delays", (3, {"keys": 200}), rows, [bound])


def test_bars_are_the_reports_with_the_interval_of_their_counts() -> None:
    shown = alarm_figure(alarms(("a", 4.0, 500.0, 1.0), ("b", 0.0, 3.0, 1.0)))
    assert shown.key_days == 250.0
    assert (shown.seed, shown.accepted, shown.most) == (3, 1.0, 3.0)
    assert [bar.regime for bar in shown.bars] == ["a", "b"]
    one, none = shown.bars
    assert (one.ours, one.literal) == (4.0, 500.0)
    assert one.low == pytest.approx(4 * 0.0253, rel=1e-2)
    assert one.high == pytest.approx(4 * 5.572, rel=1e-3)
    assert none.low == 0.0
    assert none.high == pytest.approx(4 * 3.689, rel=1e-3)


def test_all_regimes_together_have_the_days_of_all() -> None:
    rows = [(name, 4.0, 9.0, 1.0) for name in ("a", "b", "c", "all")]
    bars = alarm_figure(alarms(*rows)).bars
    low, high = poisson_interval(3)
    assert bars[-1].low == pytest.approx(low / 0.75)
    assert bars[-1].high == pytest.approx(high / 0.75)
    assert bars[-1].high - bars[-1].low < bars[0].high - bars[0].low


@given(st.integers(0, 300))
def test_the_interval_is_the_exact_one(count: int) -> None:
    low, high = poisson_interval(count)
    assert low <= count <= high
    assert _at_most(count, high) == pytest.approx(0.025, rel=1e-6)
    if count:
        assert 1 - _at_most(count - 1, low) == pytest.approx(0.025, rel=1e-6)


def _at_most(count: int, mean: float) -> float:
    """Chance of at most ``count``, term by term."""
    total, term = 0.0, -mean
    for number in range(count + 1):
        total += 2.718281828459045**term
        term += log(mean) - log(number + 1)
    return total


def test_delays_are_multiples_of_the_optimum_and_half_a_look() -> None:
    slow, fast = delay_figure(delays(others=50.0)).rows
    assert (slow.scenario, fast.scenario) == ("1/s step x2", "50/s step x5")
    assert (slow.a_second, fast.a_second) == (1.0, 50.0)
    assert (fast.ratio, fast.low, fast.high, fast.most) == (1.1, 0.6, 2.2, 1.3)
    assert fast.others == {"z-score": pytest.approx(10.0)}
    assert (slow.most, slow.found, slow.optimum) == (None, 0.3, 1500.0)
    assert isnan(slow.ratio)
    assert isnan(slow.low)
    assert isnan(slow.others["z-score"])


def test_a_report_without_spread_has_no_band() -> None:
    _, fast = delay_figure(delays(others=50.0, spread=False)).rows
    assert isnan(fast.low)
    assert fast.ratio == 1.1


def test_what_the_lab_reports_can_be_drawn() -> None:
    """The words that figures look for are those that the reports say."""
    quiet = report_of(false_alarm_report(QUIET, 3).as_json())
    figure = alarm_figure(quiet)
    bars = figure.bars
    assert figure.together
    assert [bar.regime for bar in bars] == [row[0] for row in quiet.tables[0].rows]
    assert len(bars) == 14
    said = report_of(delay_report(DELAYS, 3).as_json())
    (row,) = delay_figure(said).rows
    assert said.tables[0].rows[0][:3] == (row.scenario, row.found, row.seconds)
    assert row.low <= row.ratio <= row.high
    assert row.most == 1.3
    assert set(row.others) == {"5 % over 5 min", "5 % over 1 h", "burn rate", "z-score"}


def test_a_report_survives_json() -> None:
    report = delays(others=50.0)
    read = report_of(report.as_json())
    assert (read.name, read.seed, read.sizes) == ("delays", 3, {"keys": 200})
    assert read.bounds == report.bounds
    assert read.kept
    values = [value for table in read.tables for row in table.rows for value in row]
    meant = [value for table in report.tables for row in table.rows for value in row]
    for value, was in zip(values, meant, strict=True):
        assert value == was or (isnan(float(value)) and not isfinite(float(was)))


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (b"", "not a report of the lab"),
        (b'{"name": "delays"}', "not a report of the lab"),
        (b"[1, 2]", "not a report of the lab"),
        (
            b'{"name":"d","seed":1,"sizes":{},"bounds":[],'
            b'"tables":[{"title":"t","columns":["a"],"rows":[[1,2]]}]}',
            "ragged table 't'",
        ),
    ],
)
def test_what_is_no_report_is_told(broken: bytes, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        report_of(broken)


def test_what_a_report_lacks_is_told() -> None:
    lacks = alarms(("a", 1.0, 2.0, 3.0))
    with pytest.raises(ConfigError, match="no table 'Delays, seconds'"):
        delay_figure(lacks)
    with pytest.raises(ConfigError, match="does not say its size 'keys'"):
        alarm_figure(msgspec.structs.replace(lacks, sizes={}))
    table = Table("False alarms per 1000 key-days", ("regime", "x"), (("a", 1.0),))
    with pytest.raises(ConfigError, match="no column 'bouncemon'"):
        alarm_figure(msgspec.structs.replace(lacks, tables=(table,)))
    other = delays(others=1.0)
    strange = Table("Delays, seconds", ("scenario", "found"), (("9/s", 1.0),))
    with pytest.raises(ConfigError, match="not ours: '9/s'"):
        delay_figure(
            msgspec.structs.replace(other, tables=(strange, *other.tables[1:]))
        )
