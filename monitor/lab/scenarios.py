"""What goes wrong: steps, bursts, and keys that are bad from birth.

The keys of a scenario change one after the other, so that each change is a cause by
itself and the fleet as a whole stays as it is. Healthy keys keep them company.
"""

from dataclasses import dataclass
from math import inf

from monitor.lab.regimes import HOUR, Regime


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised of a scenario; what is not set was not promised.

    Args:
        ratio: most that the delay may be of the optimum, medians of keys.
        median: most seconds of the median delay.
        found: least share of the changes found.
        within: seconds within which nine of ten keys must be found.
    """

    ratio: float | None = None
    median: float | None = None
    found: float | None = None
    within: float | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A change of the failure rate.

    Args:
        name: for reports.
        regime: what is normal before.
        lift: what the rate is multiplied with.
        lasts: seconds until it is over.
        horizon: seconds after its change that a key is followed.
        apart: seconds between the changes of two keys.
        promise: bounds.
    """

    name: str
    regime: Regime
    lift: float
    lasts: float = inf
    horizon: float = 1_800.0
    apart: float = 15.0
    promise: Promise = Promise()

    @property
    def followed(self) -> float:
        """Seconds after its change until which an alarm counts as found."""
        return min(self.horizon, self.lasts + AFTERMATH_SECONDS)


#: A burst may be found so long after its end: the counts still tell.
AFTERMATH_SECONDS = 120.0

_NEAR = Promise(ratio=1.3)


def _steady(a_second: float) -> Regime:
    return Regime(f"{a_second:g}/s", a_second=(a_second, a_second))


def _breathing(a_second: float) -> Regime:
    return Regime("breathes 30 %", a_second=(a_second, a_second), breathing=0.3)


SCENARIOS = (
    Scenario("1/s step x2", _steady(1.0), 2.0, horizon=HOUR, apart=30.0),
    Scenario("1/s step x5", _steady(1.0), 5.0, apart=45.0, promise=_NEAR),
    Scenario("1/s step x20", _steady(1.0), 20.0, horizon=900.0, promise=_NEAR),
    Scenario(
        "50/s step x2",
        _steady(50.0),
        2.0,
        horizon=1_200.0,
        promise=Promise(median=90.0),
    ),
    Scenario(
        "50/s step x5",
        _steady(50.0),
        5.0,
        horizon=180.0,
        promise=_NEAR,
    ),
    Scenario(
        "50/s step x20",
        _steady(50.0),
        20.0,
        horizon=180.0,
        promise=_NEAR,
    ),
    Scenario(
        "5/s burst 30 s x20",
        _steady(5.0),
        20.0,
        lasts=30.0,
        promise=Promise(ratio=1.3, found=0.99),
    ),
    Scenario(
        "5/s burst 120 s x5",
        _steady(5.0),
        5.0,
        lasts=120.0,
        promise=Promise(ratio=1.3, found=0.95),
    ),
    Scenario("5/s burst 120 s x20", _steady(5.0), 20.0, lasts=120.0, promise=_NEAR),
    Scenario("5/s burst 600 s x5", _steady(5.0), 5.0, lasts=600.0, promise=_NEAR),
    Scenario("5/s burst 600 s x2", _steady(5.0), 2.0, lasts=600.0),
    Scenario("50/s step x5, breathes", _breathing(50.0), 5.0, horizon=900.0),
    Scenario(
        "2/s new key, x10 from birth",
        Regime("2/s", a_second=(2.0, 2.0), spread=0.3, cold=True),
        10.0,
        horizon=1_200.0,
        apart=30.0,
        promise=Promise(within=120.0),
    ),
)
