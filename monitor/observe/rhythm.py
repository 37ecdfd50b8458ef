"""What the hours of a week say of a rate's rhythm: pure estimates, no state.

A sighting is one hour: what failed in it, against what the scope's rate of that week
lets expect. The factor of an hour of the week is a product of three: what the parent
knows, how the hour of the *day* differs from that (fourteen sightings), and how the
hour of the *week* differs from that (four sightings). Each effect is shrunk to 1 as a
gamma-Poisson mean ``(failed + a) / (expected + a)``. One over ``a`` is the variance of
the effects of all hours beyond chance (empirical Bayes): a scope without rhythm shows
none, and is shrunk to 1 altogether.

No sighting is worth more than its likeness to others: with ``v``, the variance of a
rate between sightings, failures are weighted by ``1 / (1 + v * expected)``.
What is far from the median of the sightings (two that say 1 are among them) counts as
far as three deviations go. Suspect sightings, those of incidents, count only if most
sightings of that hour are: what returns at its hour is rhythm, one bad day is none.
"""

from typing import NamedTuple

import numpy as np

from monitor.observe.arrays import Array, Bools, Floats

#: Sightings kept of each hour of the week.
WEEKS = 4
WEEK_HOURS, DAY_HOURS = 168, 24

#: Weeks whose days tell the rhythm of the day: a new one is known after one of them.
DAILY_WEEKS = 2

#: No hour makes more or less of a rate than this.
LEAST, MOST = 1 / 3, 3.0

#: So many suspect sightings, of days and of weeks, are no accident if they are half.
DAYS_ALIKE, WEEKS_ALIKE = 3, 2

#: How much an hour's rate differs from the same hour's of another day (coefficient of
#: variation) before anything is known of it, what that weighs in pairs, and its range.
CV, CV_WEIGHT, CV_RANGE = 0.15, 10.0, (0.05, 1.0)

#: Sightings count up to so many deviations from their median.
DEVIATIONS = 3.0

#: A squared error counts up to so many variances: a wild day does not hide all others.
MOST_VARIANCES = 16.0

#: Effects are real as far as their mean square is more than so many standard errors
#: above what chance gives.
SURE = 3.0

#: A week with fewer failures outside of incidents has no level to compare with.
FEWEST_A_WEEK = 24.0

_TINY = 1e-9


class Sightings(NamedTuple):
    """Hours of the same place, newest first; all ``[rows, sightings, hours]``.

    ``expected`` is 0 where nothing was seen.
    """

    failed: Floats
    expected: Floats
    suspect: Bools


def planned(tried: Array, failed: Array, suspect: Bools, parent: Floats) -> Floats:
    """Factors of all hours of a week, ``[rows, WEEK_HOURS]``.

    Args:
        tried: attempts, ``[rows, WEEKS, WEEK_HOURS]``, the newest week first; 0 where
            an hour was not seen.
        failed: failures.
        suspect: hours of incidents.
        parent: factors to lean on, ``[rows, WEEK_HOURS]``.
    """
    volume = tried * parent[:, None]
    clean = np.where(suspect, 0.0, 1.0)
    calm, fine = (volume * clean).sum(axis=2), (failed * clean).sum(axis=2)
    level = np.where(fine >= FEWEST_A_WEEK, fine / np.maximum(calm, _TINY), 0.0)
    week = Sightings(failed, volume * level[:, :, None], suspect)
    day = _days(week)
    spread = _spread(day, np.full(len(tried), CV**2))
    daily = _effects(day, spread, DAYS_ALIKE)
    daily = np.tile(daily, WEEK_HOURS // DAY_HOURS)
    left = week._replace(expected=week.expected * daily[:, None])
    weekly = _effects(left, _spread(left, spread), WEEKS_ALIKE)
    factors: Floats = np.clip(parent * daily * weekly, LEAST, MOST)
    return factors


def _days(week: Sightings) -> Sightings:
    """The same hours as sightings of the hours of a day."""
    shape = len(week.failed), DAILY_WEEKS * WEEK_HOURS // DAY_HOURS, DAY_HOURS
    return Sightings(
        week.failed[:, :DAILY_WEEKS].reshape(shape),
        week.expected[:, :DAILY_WEEKS].reshape(shape),
        week.suspect[:, :DAILY_WEEKS].reshape(shape),
    )


def _effects(seen: Sightings, spread: Floats, alike: int) -> Floats:
    """What each hour makes of the rate, ``[rows, hours]``."""
    usable = _usable(seen, alike)
    expected = np.where(usable, seen.expected, 0.0)
    wanted = expected * _median(seen.failed, expected)[:, None]
    variance = spread[:, None, None]
    reach = DEVIATIONS * np.sqrt(wanted + variance * wanted**2)
    failed = np.clip(seen.failed, wanted - reach, wanted + reach)
    weight = usable / (1.0 + variance * expected)
    failed = (weight * np.maximum(failed, 0.0)).sum(axis=1)
    expected = (weight * expected).sum(axis=1)
    swing = _swing(failed, expected)[:, None]
    effects: Floats = (failed * swing + 1.0) / (expected * swing + 1.0)
    return effects


def _usable(seen: Sightings, alike: int) -> Bools:
    there = seen.expected > 0
    bad = there & seen.suspect
    times = bad.sum(axis=1)
    often = (times >= alike) & (2 * times >= there.sum(axis=1))
    usable: Bools = there & (~bad | often[:, None])
    return usable


def _median(failed: Floats, expected: Floats) -> Floats:
    """Median of the ratios that were seen and of two that are 1, ``[rows, hours]``."""
    seen = expected > 0
    ratios = np.where(seen, failed / np.maximum(expected, _TINY), np.inf)
    rows, _, hours = ratios.shape
    ranked = np.concatenate([ratios, np.ones((rows, 2, hours))], axis=1)
    ranked.sort(axis=1)
    last = seen.sum(axis=1, keepdims=True) + 1
    low = np.take_along_axis(ranked, last // 2, axis=1)
    high = np.take_along_axis(ranked, (last + 1) // 2, axis=1)
    median: Floats = ((low + high) / 2.0)[:, 0]
    return median


def _spread(seen: Sightings, prior: Floats) -> Floats:
    """Variance of a rate between sightings, relative to its square, ``[rows]``.

    From the differences between neighbouring ones, so that what returns each time is
    no part of it.
    """
    clean = (seen.expected > 0) & ~seen.suspect
    there = np.maximum(seen.expected, _TINY)
    (new, old), (more, less) = _in_a_row(seen.failed), _in_a_row(there)
    mean = (new + old + 1.0) / (more + less)
    square = ((new / more - old / less) / mean) ** 2 / 2.0
    chance = (1.0 / more + 1.0 / less) / (2.0 * mean)
    weight = (CV**2 / (CV**2 + chance)) ** 2 * np.logical_and(*_in_a_row(clean))
    told = weight.sum(axis=(1, 2))
    spread = prior
    for _ in range(2):  # the second time with a better idea of what is wild
        most = MOST_VARIANCES * (chance + spread[:, None, None])
        excess = weight * (np.minimum(square, most) - chance)
        spread = excess.sum(axis=(1, 2)) + CV_WEIGHT * prior
        spread = spread / (told + CV_WEIGHT)
        spread = np.clip(spread, CV_RANGE[0] ** 2, CV_RANGE[1] ** 2)
    return spread


def _in_a_row(sightings: Array) -> tuple[Array, Array]:
    return sightings[:, :-1], sightings[:, 1:]


def _swing(failed: Floats, expected: Floats) -> Floats:
    """Variance of the effects of all hours beyond chance, ``[rows]``."""
    there = expected > 0
    ratio = failed / np.maximum(expected, _TINY)
    chance = np.where(there, 1.0 / np.maximum(expected, _TINY), 0.0)
    hours = np.maximum(there.sum(axis=1), 1)
    square = np.where(there, (ratio - 1.0) ** 2, 0.0).sum(axis=1)
    error = SURE * np.sqrt(2.0 * (chance**2).sum(axis=1))
    swing: Floats = np.maximum(square - chance.sum(axis=1) - error, 0.0) / hours
    return swing
