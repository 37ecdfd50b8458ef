from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from monitor.errors import ConfigError
from monitor.events import Channel
from monitor.observe import FleetObserver, Limit, ObservePolicy


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slot_seconds", 0),
        ("slot_seconds", 301),
        ("dimensions", ("provider", "country")),
        ("false_pages_per_week", 0.0),
        ("false_pages_per_week", float("nan")),
        ("max_keys", 1),
        ("max_leaves", 0),
        ("limit_min_attempts", 0),
        ("stale_after_seconds", 0.0),
        ("limits", {Channel.HARD: Limit(0.2, 0.1)}),
        ("limits", {Channel.HARD: Limit(0.0, 0.1)}),
        ("limits", {Channel.HARD: Limit(0.5, 1.0)}),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^observe: ") as caught:
        ObservePolicy(**{field: value})
    assert "\n" not in str(caught.value)


def test_a_detector_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match="no detector 'magic'; there are nb_glr"):
        FleetObserver("default", ObservePolicy(detectors=("magic",)))


def test_a_policy_does_not_change() -> None:
    policy = ObservePolicy()
    with pytest.raises(FrozenInstanceError):
        policy.slot_seconds = 5  # type: ignore[misc]


def test_slots_and_what_is_stale() -> None:
    policy = ObservePolicy(slot_seconds=10, stale_after_seconds=120.0)
    assert policy.slot_of(1_000.0) == 100
    assert policy.slot_of(1_009.9) == 100
    assert not policy.is_stale(100, 1_130.0)
    assert policy.is_stale(100, 1_130.1)
