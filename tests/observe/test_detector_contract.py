"""What every rule must do, and rules that do not, to test the test."""

from collections.abc import Callable

import numpy as np
import pytest

from monitor.events import IncidentKind
from monitor.observe import ObservePolicy
from monitor.observe.arrays import Array, Bools, Ints, State
from monitor.observe.channels import CHANNELS, PRIOR, WIDTH
from monitor.observe.detectors import DETECTORS, Detector, Look, Reading
from monitor.observe.detectors.drift import Drift
from monitor.observe.detectors.nb_glr import NbGlr
from monitor.observe.detectors.silence import Silence
from tests.array_bytes import array_bytes

Make = Callable[[ObservePolicy, int], Detector]

PLACES = 64
KEYS = np.arange(PLACES)
SICK = 7
LOOKS = 400
EPOCH = 1_767_571_200.0


class Traffic:
    """Looks at keys of five attempts a second, at a rule's pace; one may fall ill: its
    mail fails, or there is none, if that is what the rule is made for.
    """

    def __init__(self, detector: Detector, seed: int = 1) -> None:
        self.random = np.random.default_rng(seed)
        self.now = EPOCH
        self.pace = detector.pace
        self.silent = detector.kind is IncidentKind.SILENCE

    def look(self, sick_rate: float | None = None) -> Look:
        rate = np.tile(PRIOR, (PLACES, 1))
        if sick_rate is not None:
            rate[SICK] = sick_rate
        tried = self.random.poisson(5.0 * self.pace, (PLACES, 1))
        if sick_rate is not None and self.silent:
            tried[SICK] = 0
        tried = np.repeat(tried, WIDTH, axis=1)
        failed = self.random.binomial(tried, rate)
        self.now += self.pace
        shape = (PLACES, WIDTH)
        return Look(
            now=self.now,
            begins=self.now,
            keys=KEYS,
            kinds=np.ones(PLACES, np.int8),
            tried=tried.astype(float),
            failed=failed.astype(float),
            rate=np.tile(PRIOR, (PLACES, 1)),
            info=np.full(shape, 50.0),
            cv2=np.full(shape, 0.01),
            phi=np.ones(shape),
            known=np.ones(shape, bool),
            threshold=np.full(shape, 16.0),
        )


def check_contract(make: Make) -> None:
    check_silent_on_calm(make)
    check_fires_on_step(make)
    check_memory_is_bounded(make)
    check_snapshot_round_trip(make)
    check_forgets(make)


def started(make: Make) -> Detector:
    return make(ObservePolicy(), PLACES)


def begun(make: Make) -> tuple[Detector, Traffic]:
    detector = started(make)
    return detector, Traffic(detector)


def arrays_in(reading: Reading) -> list[Array]:
    dates = [one for of_channel in reading.starts.values() for one in of_channel]
    return [reading.score, reading.over, reading.warm, *dates]


def check_silent_on_calm(make: Make) -> None:
    detector, traffic = begun(make)
    for _ in range(LOOKS):
        assert not detector.look(traffic.look()).over.any(), "fires on calm"


def check_fires_on_step(make: Make) -> None:
    detector, traffic = begun(make)
    for _ in range(LOOKS // 4):
        detector.look(traffic.look())
    before = traffic.now
    for _ in range(60):
        reading = detector.look(traffic.look(sick_rate=0.95))
        assert not np.delete(reading.over, SICK, axis=0).any(), "fires elsewhere"
        if reading.over[SICK].all():
            break
    assert reading.over[SICK].all(), "misses a step"
    for row, channel in np.argwhere(reading.over).tolist():
        assert reading.dates(row, channel), "over the line since nobody knows when"
    began = [reading.start(SICK, channel) for channel in range(WIDTH)]
    off = np.abs(np.array(began) - before) / traffic.pace
    assert (off <= 20.0).all(), "dates the step wrongly"
    assert (reading.score[SICK] >= 16.0).all(), "over the line without a score"


def check_memory_is_bounded(make: Make) -> None:
    detector, traffic = begun(make)
    for _ in range(50):  # a rule may take memory when it is needed
        detector.look(traffic.look(sick_rate=0.95))
    small = array_bytes(detector)
    for _ in range(50):
        detector.look(traffic.look(sick_rate=0.95))
    assert array_bytes(detector) == small, "grows with time"
    detector.resize(2 * PLACES)
    assert array_bytes(detector) <= 2 * small, "grows faster than its keys"


def check_snapshot_round_trip(make: Make) -> None:
    detector, traffic = begun(make)
    for _ in range(LOOKS // 4):
        detector.look(traffic.look())
    for _ in range(5):
        detector.look(traffic.look(sick_rate=0.2))
    copy = started(make)
    copy.load({name: array.copy() for name, array in detector.state(PLACES).items()})
    for _ in range(20):
        look = traffic.look(sick_rate=0.2)
        one, other = detector.look(look), copy.look(look)
        assert one.starts.keys() == other.starts.keys(), "a snapshot loses dates"
        for mine, theirs in zip(arrays_in(one), arrays_in(other), strict=True):
            assert np.array_equal(mine, theirs), "a snapshot loses something"


def check_forgets(make: Make) -> None:
    for clear in ("forget", "reset"):
        detector, traffic = begun(make)
        for _ in range(60):
            detector.look(traffic.look(sick_rate=0.95))
        if clear == "forget":
            detector.forget(np.array([SICK]))
        else:
            detector.reset(np.array([SICK]), np.ones(WIDTH, bool))
        reading = detector.look(traffic.look())
        assert not reading.over[SICK].any(), f"alarms after {clear}"
        assert (reading.score[SICK] < 8.0).all(), f"remembers after {clear}"


@pytest.mark.parametrize("name", DETECTORS)
def test_each_detector_keeps_the_contract(name: str) -> None:
    check_contract(DETECTORS[name])


@pytest.mark.parametrize("name", DETECTORS)
def test_names_and_ceilings(name: str) -> None:
    detector = started(DETECTORS[name])
    assert detector.name == name
    assert detector.ceiling.shape == (len(CHANNELS),)


class Deaf(NbGlr):
    def look(self, look: Look) -> Reading:
        reading = super().look(look)
        return reading._replace(over=np.zeros_like(reading.over))


class Nervous(NbGlr):
    def look(self, look: Look) -> Reading:
        reading = super().look(look)
        return reading._replace(over=look.failed > 0)


class Hoarder(NbGlr):
    def __init__(self, policy: ObservePolicy, capacity: int) -> None:
        super().__init__(policy, capacity)
        self.looks: list[Array] = []

    def look(self, look: Look) -> Reading:
        self.looks.append(look.failed)
        return super().look(look)


class Forgetful(NbGlr):
    def load(self, state: State) -> None:
        pass


class Grudging(NbGlr):
    def forget(self, keys: Ints) -> None:
        pass


class Stubborn(NbGlr):
    def reset(self, keys: Ints, channels: Bools) -> None:
        pass


class Hasty(Silence):
    def look(self, look: Look) -> Reading:
        reading = super().look(look)
        short = look.tried < 0.99 * look.tried.mean()
        return reading._replace(over=reading.over | short)


class Patient(Drift):
    def look(self, look: Look) -> Reading:
        reading = super().look(look)
        starts = {
            channel: (rows, np.full(len(rows), EPOCH))
            for channel, (rows, _) in reading.starts.items()
        }
        return reading._replace(starts=starts)


class Timeless(NbGlr):
    def look(self, look: Look) -> Reading:
        return super().look(look)._replace(starts={})


class Amnesiac(Drift):
    def load(self, state: State) -> None:
        super().load(state | {"sums": np.zeros_like(state["sums"])})


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Deaf, "misses a step"),
        (Nervous, "fires on calm"),
        (Hoarder, "grows with time"),
        (Forgetful, "a snapshot loses"),
        (Grudging, "after forget"),
        (Stubborn, "after reset"),
        (Hasty, "fires on calm"),
        (Patient, "dates the step wrongly"),
        (Timeless, "since nobody knows when"),
        (Amnesiac, "a snapshot loses"),
    ],
)
def test_the_contract_rejects_broken_detectors(broken: Make, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_contract(broken)
