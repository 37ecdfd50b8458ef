"""Rows of the rhythm: who has one, what it takes in, who leans on whom."""

import numpy as np
import pytest

from monitor.events import SCOPE_DIMENSIONS, Cell, Scope
from monitor.observe import season as room
from monitor.observe.arrays import Floats, Ints
from monitor.observe.channels import WIDTH
from monitor.observe.keys import Catalog
from monitor.observe.rhythm import DAY_HOURS, WEEK_HOURS, WEEKS
from monitor.observe.season import HOUR_SECONDS, RAMP_SECONDS, Season

SLOT = 10.0
#: Slots of an hour.
HOUR = int(HOUR_SECONDS / SLOT)
WEEK = WEEK_HOURS * HOUR
HARD = 0
CELLS = [Cell(f"p{n % 2}", f"i{n % 2}", f"c{n}", "", "") for n in range(4)]
#: Slots of a first hour of the night.
NIGHT = range(2 * HOUR, 3 * HOUR)


def catalog_of(cells: list[Cell] = CELLS) -> Catalog:
    catalog = Catalog(SCOPE_DIMENSIONS, 1000, 1000)
    catalog.seat(cells, slot=0)
    return catalog


def failures_of(catalog: Catalog, *scopes: Scope) -> Floats:
    """Enough failures a day for the named scopes, in one channel."""
    failures = np.zeros((len(catalog.scopes), WIDTH))
    for scope in scopes:
        failures[catalog.place_of(scope), HARD] = 1_000.0
    return failures


def counts(keys: Ints, tried: float, rate: float) -> tuple[Floats, Floats]:
    shape = len(keys), WIDTH
    return np.full(shape, tried), np.full(shape, tried * rate)


class Weeks:
    """A season that is shown an hour at a time."""

    def __init__(self, catalog: Catalog, *scopes: Scope) -> None:
        self.catalog, self.failures = catalog, failures_of(catalog, *scopes)
        self.season = Season(SLOT, 256)
        self.keys = np.arange(len(catalog.scopes))
        self.hour = 0

    def run(self, hours: int, night: float = 3.0, suspect: bool = False) -> None:
        for _ in range(hours):
            at_night = self.hour % DAY_HOURS == 2
            rate = 0.02 * (night if at_night else 1.0)
            slot = self.hour * HOUR + HOUR // 2
            tried, failed = counts(self.keys, 5_000.0, rate)
            self.season.note(slot, self.keys, tried, failed)
            if suspect and at_night:
                self.season.explained(slot, self.keys, tried, failed)
            self.season.turn(self.catalog, dict(enumerate(self.failures.T)))
            self.hour += 1

    def factor(self, scope: Scope, hour_of_day: float) -> float:
        """What is expected at an hour of the newest day."""
        hour = self.hour // DAY_HOURS * DAY_HOURS + hour_of_day
        factors = self.season.factors(int(hour * HOUR), self.keys)
        place = self.catalog.place_of(scope) if len(factors) > 1 else 0
        return float(factors[place, min(HARD, factors.shape[1] - 1)])


def test_a_rhythm_is_told_after_a_week_and_not_before() -> None:
    weeks = Weeks(catalog_of(), Scope())
    weeks.run(WEEK_HOURS)
    assert weeks.season.rows == 1
    assert np.array_equal(weeks.season.factors(0), np.ones((1, 1)))
    weeks.run(WEEK_HOURS // 7 + 2)
    assert weeks.factor(Scope(), 2.5) == pytest.approx(2.75, rel=0.1)
    assert weeks.factor(Scope(), 14.5) == pytest.approx(0.92, rel=0.1)
    # Other channels have no row of their own, and no parent's.
    assert (weeks.season.factors(int(2.5 * HOUR), weeks.keys)[:, HARD + 1 :] == 1).all()


def test_who_has_no_row_takes_the_factors_of_its_parent() -> None:
    weeks = Weeks(catalog_of(), Scope(), Scope(provider="p0"), Scope(campaign="c1"))
    weeks.run(WEEK_HOURS + DAY_HOURS + 2)
    place = weeks.catalog.place_of
    tried, failed = counts(weeks.keys, 5_000.0, 0.02)
    for _ in range(2 * WEEK_HOURS):  # two of them have another rhythm from now on
        of_day = weeks.hour % DAY_HOURS
        lifted = failed.copy()
        lifted[place(Scope())] *= 3.0 if of_day == 2 else 1.0
        lifted[place(Scope(provider="p0"))] *= 3.0 if of_day == 8 else 1.0
        lifted[place(Scope(campaign="c1"))] *= 3.0 if of_day == 16 else 1.0
        weeks.season.note(weeks.hour * HOUR, weeks.keys, tried, lifted)
        weeks.season.turn(weeks.catalog, dict(enumerate(weeks.failures.T)))
        weeks.hour += 1
    high = {
        Scope(): 2,
        Scope(provider="p0"): 8,
        Scope(provider="p1"): 2,
        Scope(campaign="c0"): 2,
        Scope(campaign="c1"): 16,
        Scope(campaign="c0", provider="p0"): 8,
        Scope(campaign="c1", provider="p1"): 16,
        Scope(source_ip="i1", provider="p1"): 2,
    }
    for scope, hour in high.items():
        for of_day in (2, 8, 16):
            lifted_now = weeks.factor(scope, of_day + 0.5) > 1.8
            assert lifted_now == (of_day == hour), (scope, of_day)


def test_a_young_row_leans_on_its_parent_until_it_has_a_week() -> None:
    weeks = Weeks(catalog_of(), Scope())
    weeks.run(WEEK_HOURS + DAY_HOURS + 2)
    young = Scope(campaign="c3")
    weeks.failures = failures_of(weeks.catalog, Scope(), young)
    weeks.run(2)
    assert weeks.season.rows == 2
    assert weeks.factor(young, 2.5) == weeks.factor(Scope(), 2.5) > 2.0


def test_factors_are_smooth_from_hour_to_hour() -> None:
    weeks = Weeks(catalog_of(), Scope())
    weeks.run(WEEK_HOURS + DAY_HOURS + 2)
    slots = range(NIGHT.start - HOUR, NIGHT.stop + HOUR)
    seen = np.array([weeks.season.factors(slot, weeks.keys)[0, HARD] for slot in slots])
    ramp = 2.0 * RAMP_SECONDS / SLOT
    assert np.abs(np.diff(seen)).max() <= 1.01 * (seen.max() - seen.min()) / ramp
    middle = seen[len(seen) // 2]
    assert middle == seen.max() > 2.0


@pytest.mark.parametrize("days", [1, 7])
def test_incidents_teach_only_if_they_return(days: int) -> None:
    weeks = Weeks(catalog_of(), Scope())
    weeks.run((7 - days) * DAY_HOURS, night=1.0)
    weeks.run(days * DAY_HOURS, suspect=True)
    weeks.run(2, night=1.0)
    assert np.count_nonzero(weeks.season.state()["kept"][0] < 0) == days
    weeks.run(DAY_HOURS, night=1.0)
    lift = weeks.factor(Scope(), 2.5) / weeks.factor(Scope(), 14.5)
    assert lift == pytest.approx(3.0 if days == 7 else 1.0, rel=0.1)


def test_an_hour_in_which_an_incident_is_found_is_suspect() -> None:
    weeks = Weeks(catalog_of(), Scope())
    weeks.run(WEEK_HOURS + 2, night=1.0)
    for _ in range(DAY_HOURS + 4):
        weeks.run(1)
        if weeks.hour % DAY_HOURS == 3:
            weeks.season.drop(np.array([0]), np.arange(WIDTH) == HARD)
    weeks.run(DAY_HOURS, night=1.0)
    assert weeks.factor(Scope(), 2.5) == pytest.approx(1.0, abs=0.02)


def test_rows_are_bounded_and_the_rest_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "MOST_ROWS", 4)
    catalog = catalog_of([Cell("p", "", f"c{n}", "", "") for n in range(9)])
    weeks = Weeks(catalog, Scope(), *(Scope(campaign=f"c{n}") for n in range(9)))
    weeks.failures[0] = 9_000.0
    weeks.failures[:, HARD + 1 :] = 0.0
    weeks.run(3)
    assert weeks.season.rows == 3
    assert weeks.season.refused == 7
    assert weeks.factor(Scope(), 2.5) == 1.0


def test_who_fails_no_more_loses_its_row_to_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "MOST_ROWS", 3)
    old, new = Scope(campaign="c1"), Scope(campaign="c2")
    weeks = Weeks(catalog_of(), Scope(), old)
    weeks.run(WEEK_HOURS + DAY_HOURS + 2)
    weeks.failures = failures_of(weeks.catalog, Scope())
    weeks.run(1)
    assert weeks.season.rows == 2
    weeks.failures = failures_of(weeks.catalog, Scope(), new)
    weeks.run(1)
    assert weeks.season.rows == 2
    assert weeks.season.refused == 0
    assert weeks.factor(old, 2.5) == weeks.factor(Scope(), 2.5)
    assert weeks.catalog.place_of(new) in weeks.season.state()["rows"][0]


def test_an_evicted_key_leaves_nothing_behind() -> None:
    weeks = Weeks(catalog_of(), Scope(campaign="c1"))
    weeks.run(WEEK_HOURS + DAY_HOURS + 2)
    assert weeks.factor(Scope(campaign="c1"), 2.5) > 2.0
    weeks.season.forget(np.array([weeks.catalog.place_of(Scope(campaign="c1"))]))
    assert weeks.season.rows == 0
    assert weeks.factor(Scope(campaign="c1"), 2.5) == 1.0
    weeks.run(1)
    assert weeks.season.rows == 1
    assert weeks.factor(Scope(campaign="c1"), 2.5) == 1.0


@pytest.mark.parametrize("gap", [5, WEEKS * WEEK_HOURS + 5])
def test_a_gap_teaches_nothing(gap: int) -> None:
    weeks = Weeks(catalog_of(), Scope())
    weeks.run(WEEK_HOURS + DAY_HOURS + 2)
    weeks.hour += gap
    weeks.run(DAY_HOURS + 3)
    forgotten = gap > WEEKS * WEEK_HOURS
    lift = weeks.factor(Scope(), 2.5) / weeks.factor(Scope(), 14.5)
    assert lift == pytest.approx(1.0 if forgotten else 3.0, rel=0.1)


def test_order_within_two_hours_is_free_and_what_is_older_is_ignored() -> None:
    one, other = Weeks(catalog_of(), Scope()), Weeks(catalog_of(), Scope())
    for weeks in (one, other):
        weeks.run(6)
    late = counts(one.keys, 100.0, 0.5)
    new = counts(one.keys, 300.0, 0.1)
    at, before = 6 * HOUR, 5 * HOUR
    for weeks, slots in ((one, (before, at)), (other, (at, before))):
        for slot in slots:
            weeks.season.note(slot, weeks.keys, *(new if slot == at else late))
    other.season.note(4 * HOUR, other.keys, *late)
    mine, theirs = one.season.state(), other.season.state()
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_a_restored_season_goes_on_as_the_old_one_would() -> None:
    scopes = Scope(), Scope(provider="p0"), Scope(campaign="c0", provider="p0")
    weeks = Weeks(catalog_of(), *scopes)
    weeks.run(WEEK_HOURS + DAY_HOURS + 5)
    restored = Season(SLOT, 256)
    restored.load(
        {name: array.copy() for name, array in weeks.season.state().items()},
        weeks.catalog,
    )
    for slot in range(WEEK, WEEK + DAY_HOURS * HOUR, 100):
        assert np.array_equal(restored.factors(slot), weeks.season.factors(slot))
    old, weeks.season = weeks.season, restored
    weeks.run(30)
    hour = weeks.hour
    weeks.season, weeks.hour = old, hour - 30
    weeks.run(30)
    mine, theirs = restored.state(), old.state()
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
