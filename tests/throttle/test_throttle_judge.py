import math
from collections.abc import Callable
from typing import Any

import pytest

from monitor.events import (
    Channel,
    Incident,
    IncidentKind,
    Reason,
    ReasonShare,
    Scope,
    Severity,
)
from monitor.throttle import RulingReason, ThrottlePolicy
from monitor.throttle.judge import covers, judge

NOW = 1_800_000_000.0
POLICY = ThrottlePolicy(deny_campaigns=("receipts",))
IP_PROVIDER = Scope(source_ip="203.0.113.7", provider="yahoo")
CAMPAIGN = Scope(campaign="spring")
PROVIDER = Scope(provider="yahoo")
BAD_LIST = (
    ReasonShare(reason=Reason.USER_UNKNOWN, share=0.4),
    ReasonShare(reason=Reason.MAILBOX_INACTIVE, share=0.2),
)
LISTED = (ReasonShare(reason=Reason.IP_REPUTATION, share=0.9),)
Make = Callable[..., Incident]


@pytest.mark.parametrize(
    ("scope", "changes", "reason"),
    [
        (Scope(), {}, RulingReason.FLEET_WIDE),
        (Scope(provider=""), {}, RulingReason.UNADDRESSABLE),
        (Scope(source_ip="*", provider="yahoo"), {}, RulingReason.UNADDRESSABLE),
        (Scope(campaign="other"), {}, RulingReason.UNADDRESSABLE),
        (Scope(campaign="receipts"), {}, RulingReason.DENYLIST),
        (
            Scope(campaign="receipts", provider="yahoo"),
            {"severity": Severity.TICKET},
            RulingReason.DENYLIST,
        ),
        (PROVIDER, {"channel": Channel.CONFIG}, RulingReason.TICKET_ONLY),
        (PROVIDER, {"kind": IncidentKind.DRIFT}, RulingReason.TICKET_ONLY),
        (PROVIDER, {"kind": IncidentKind.SILENCE}, RulingReason.TICKET_ONLY),
        (PROVIDER, {"kind": IncidentKind.NEW_REPLY}, RulingReason.TICKET_ONLY),
        (IP_PROVIDER, {"severity": Severity.INFO}, RulingReason.LOW_SEVERITY),
        (IP_PROVIDER, {"updated_at": NOW - 121}, RulingReason.STALE),
        (IP_PROVIDER, {"updated_at": math.nan}, RulingReason.STALE),
        (IP_PROVIDER, {"updated_at": NOW + 61}, RulingReason.CLOCK_JUMP),
        (IP_PROVIDER, {"attempts": 49.0}, RulingReason.LOW_EVIDENCE),
        (IP_PROVIDER, {"attempts": 0.0}, RulingReason.LOW_EVIDENCE),
        (IP_PROVIDER, {"attempts": math.nan}, RulingReason.LOW_EVIDENCE),
        (IP_PROVIDER, {"attempts": math.inf}, RulingReason.LOW_EVIDENCE),
        (IP_PROVIDER, {"rate_low": math.nan}, RulingReason.LOW_EVIDENCE),
        (IP_PROVIDER, {"rate_low": 1.5}, RulingReason.LOW_EVIDENCE),
        (IP_PROVIDER, {"rate_low": 0.02, "baseline": 0.03}, RulingReason.LOW_EVIDENCE),
    ],
)
def test_what_may_take_no_rung(
    make_incident: Make, scope: Scope, changes: dict[str, Any], reason: RulingReason
) -> None:
    assert judge(make_incident(scope, **changes), POLICY, NOW).refused is reason


@pytest.mark.parametrize(
    ("scope", "changes", "top", "held_back"),
    [
        (IP_PROVIDER, {}, 2, None),
        (CAMPAIGN, {"channel": Channel.HARD}, 2, None),
        (CAMPAIGN, {"channel": Channel.COMPLAINT, "rate_low": 0.02}, 2, None),
        (CAMPAIGN, {"severity": Severity.TICKET}, 0, RulingReason.LOW_SEVERITY),
        (PROVIDER, {"channel": Channel.DEFERRAL}, 1, None),
        (CAMPAIGN, {"channel": Channel.DEFERRAL}, 1, None),
        (CAMPAIGN, {"channel": Channel.TECHNICAL}, 1, None),
        (PROVIDER, {"channel": Channel.BLOCK}, 1, RulingReason.PROVIDER_WIDE),
        (
            PROVIDER,
            {"channel": Channel.HARD, "reasons": BAD_LIST},
            1,
            RulingReason.PROVIDER_WIDE,
        ),
        (IP_PROVIDER, {"attempts": 199.0}, 1, RulingReason.LOW_EVIDENCE),
        (IP_PROVIDER, {"rate_low": 0.099}, 1, RulingReason.LOW_EVIDENCE),
    ],
)
def test_how_far_an_incident_may_go(
    make_incident: Make,
    scope: Scope,
    changes: dict[str, Any],
    top: int,
    held_back: RulingReason | None,
) -> None:
    verdict = judge(make_incident(scope, **changes), POLICY, NOW)
    assert verdict == (0, top, None, held_back)


def test_what_is_bad_from_birth_needs_no_better_baseline(make_incident: Make) -> None:
    incident = make_incident(CAMPAIGN, channel=Channel.HARD, baseline=0.4)
    assert judge(incident, POLICY, NOW).refused is None


@pytest.mark.parametrize(
    ("scope", "changes", "straight"),
    [
        (CAMPAIGN, {"channel": Channel.HARD, "reasons": BAD_LIST}, True),
        (Scope(segment="de"), {"channel": Channel.HARD, "reasons": BAD_LIST}, True),
        (
            Scope(campaign="spring", provider="yahoo"),
            {"channel": Channel.HARD, "reasons": BAD_LIST},
            True,
        ),
        (Scope(source_ip="203.0.113.7"), {"reasons": LISTED}, True),
        # One provider's filter is no blocklist; an IP has no list of its own.
        (IP_PROVIDER, {"reasons": LISTED}, False),
        (IP_PROVIDER, {"channel": Channel.HARD, "reasons": BAD_LIST}, False),
        (CAMPAIGN, {"channel": Channel.BOUNCE, "reasons": BAD_LIST}, False),
        (CAMPAIGN, {"channel": Channel.HARD, "reasons": LISTED}, False),
        (CAMPAIGN, {"channel": Channel.HARD, "reasons": BAD_LIST[:1]}, False),
        (
            CAMPAIGN,
            {"channel": Channel.HARD, "reasons": BAD_LIST, "attempts": 499.0},
            False,
        ),
        (
            CAMPAIGN,
            {"channel": Channel.HARD, "reasons": BAD_LIST, "rate_low": 0.19},
            False,
        ),
        (
            CAMPAIGN,
            {
                "channel": Channel.HARD,
                "reasons": BAD_LIST,
                "severity": Severity.TICKET,
            },
            False,
        ),
    ],
)
def test_what_skips_the_slow_rungs(
    make_incident: Make, scope: Scope, changes: dict[str, Any], *, straight: bool
) -> None:
    verdict = judge(make_incident(scope, **changes), POLICY, NOW)
    assert verdict.refused is None
    assert (verdict.start == POLICY.top) is straight


def test_covers() -> None:
    assert covers(PROVIDER, IP_PROVIDER)
    assert covers(IP_PROVIDER, IP_PROVIDER)
    assert not covers(IP_PROVIDER, PROVIDER)
    assert not covers(CAMPAIGN, IP_PROVIDER)
    assert not covers(Scope(provider="gmail"), IP_PROVIDER)
