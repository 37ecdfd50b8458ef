"""One fleet that holds keys of unlike kinds."""

import numpy as np

from monitor.lab.drive import Drive, policy_for
from monitor.lab.regimes import HOUR, Regime, Span, Traffic

#: Seconds of a look: coarse, for speed; a clump comes within one all the same.
STEP = 30.0

CALM = Regime("calm", a_second=(0.2, 20.0))
CLUMPY = Regime("little mail, clumps of 3", a_second=(0.1, 0.4), clump=3)


def alarms(*fleet: tuple[Regime, int], seed: int, hours: float) -> list[int]:
    """Which regime's keys were accused, one for each incident."""
    span = Span(0.0, hours * HOUR)
    mail = [
        Traffic(regime, keys, span, np.random.default_rng([seed, number]))
        for number, (regime, keys) in enumerate(fleet)
    ]
    owner = np.repeat(np.arange(len(fleet)), [keys for _, keys in fleet])
    drive = Drive(len(owner), policy_for(len(owner), 1.0, ("nb_glr",)))
    found = []
    for end in np.arange(STEP, hours * HOUR, STEP).tolist():
        parts = [traffic.step(end, STEP) for traffic in mail]
        tried, failed = (np.concatenate(side) for side in zip(*parts, strict=True))
        drive.step(end, STEP, (tried, failed))
        found += [int(owner[alarm.key]) for alarm in drive.tick(end)]
    return found


def test_a_few_clumpy_keys_among_calm_ones_are_not_accused() -> None:
    assert len(alarms((CALM, 40), (CLUMPY, 10), seed=1, hours=16.0)) <= 1
