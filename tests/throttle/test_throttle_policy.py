import math
from typing import Any

import pytest

from monitor.errors import ConfigError
from monitor.events import Action, Channel, Mode
from monitor.throttle import Rung, ThrottlePolicy

SLOW, PAUSE, RESUME = Action.SLOW, Action.PAUSE, Action.RESUME


def test_the_default_observes_and_ends_in_a_pause() -> None:
    policy = ThrottlePolicy()
    assert policy.mode is Mode.OBSERVE
    assert not policy.kill_switch
    assert (policy.lowest_slow, policy.top) == (1, 2)
    assert policy.ladder[policy.top].action is PAUSE
    assert policy.renew_before == 120


@pytest.mark.parametrize(
    "bad",
    [
        {"lease_seconds": 0.0},
        {"lease_seconds": math.nan},
        {"lease_seconds": 86_400.0},
        {"lease_seconds": 100.0},
        {"skew_seconds": 0.0},
        {"skew_seconds": 200.0},
        {"renew_before_seconds": 300.0},
        {"renew_before_seconds": 60.0},
        {"max_active_directives": -1},
        {"max_slowed_directives": -1},
        {"max_new_pauses_per_10_min": -1},
        {"max_transitions_per_hour": 3},
        {"deny_campaigns": ("",)},
        {"deny_campaigns": ("*",)},
        {"min_attempts": 0},
        {"min_attempts": 300},
        {"pause_limits": {Channel.HARD: 0.0}},
        {"pause_limits": {Channel.HARD: math.nan}},
        {"straight_rate": 1.0},
        {"straight_share": 0.0},
        {"max_age_seconds": 0.0},
        {"max_age_seconds": 3_000.0},
        {"max_alert_lease_seconds": 0.0},
        {"max_order_seconds": math.inf},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="throttle: ") as error:
        ThrottlePolicy(**bad)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "ladder",
    [
        (),
        (Rung(PAUSE, 0.0, 0.0),),
        (Rung(SLOW, 1.0, 0.0),),
        (Rung(SLOW, 0.0, 0.0),),
        (Rung(SLOW, 0.5, -1.0),),
        (Rung(SLOW, 0.1, 0.0), Rung(SLOW, 0.5, 0.0)),
        (Rung(SLOW, 0.5, 0.0), Rung(SLOW, 0.5, 0.0)),
        (Rung(SLOW, 0.5, 0.0), Rung(PAUSE, 0.1, 0.0)),
        (Rung(SLOW, 0.5, 0.0), Rung(RESUME, 0.1, 0.0)),
        (Rung(SLOW, 0.5, 0.0), Rung(PAUSE, 0.0, 0.0), Rung(SLOW, 0.1, 0.0)),
        (Rung(SLOW, 0.5, 0.0), Rung(PAUSE, 0.0, 0.0), Rung(PAUSE, -0.1, 0.0)),
        (Rung(SLOW, math.nan, 0.0),),
    ],
)
def test_a_ladder_that_does_not_descend_is_refused(ladder: tuple[Rung, ...]) -> None:
    with pytest.raises(ConfigError, match="ladder"):
        ThrottlePolicy(ladder=ladder)


def test_a_ladder_may_stop_short_of_a_pause() -> None:
    policy = ThrottlePolicy(ladder=(Rung(SLOW, 0.3, 10.0),))
    assert policy.top == policy.lowest_slow == 0


@pytest.mark.parametrize(
    ("campaign", "spared"),
    [
        ("receipts", True),
        ("receipts-eu", False),
        ("reset-7", True),
        ("reset-", True),
        ("reset", False),
        ("", False),
        (None, False),
    ],
)
def test_spared_campaigns(campaign: str | None, *, spared: bool) -> None:
    policy = ThrottlePolicy(deny_campaigns=("receipts", "reset-*"))
    assert policy.spares(campaign) is spared


def test_the_slow_cap_is_never_below_the_pause_cap() -> None:
    policy = ThrottlePolicy(max_active_directives=900, max_slowed_directives=5)
    assert policy.slowed_cap == 900
