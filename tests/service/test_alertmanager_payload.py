from typing import Any

import pytest

from monitor.errors import ConfigError
from monitor.events import Action, Scope
from monitor.service.alertmanager import ProblemReason, WebhookPolicy
from monitor.throttle import Governor, ThrottlePolicy, order_of
from tests.service.alertmanager_bodies import (
    IP_PROVIDER,
    NOW,
    alert,
    parse,
    reasons,
    rfc3339,
)


def test_a_firing_alert_is_an_order() -> None:
    alerts = parse(alert())
    (command,) = alerts.commands
    assert alerts.error is None
    assert alerts.problems == ()
    assert command.scope == Scope(source_ip="203.0.113.7", provider="yahoo")
    assert command.fleet == "default"
    assert (command.action, command.rate_fraction) == (Action.SLOW, 0.5)
    assert command.actor == "alertmanager"
    assert command.reason == "BounceSpike: yahoo blocks 203.0.113.7"
    assert (command.issued_at, command.lease_seconds) == (NOW, 900.0)
    assert order_of(command.id).startswith("alert-")


def test_a_pause_stops_everything() -> None:
    paused = alert(IP_PROVIDER | {"action": "pause"})
    (command,) = parse(paused).commands
    assert (command.action, command.rate_fraction) == (Action.PAUSE, 0.0)


@pytest.mark.parametrize(
    ("labels", "scope"),
    [
        ({"scope": "provider", "key": "yahoo"}, Scope(provider="yahoo")),
        ({"scope": "ip", "key": "203.0.113.7"}, Scope(source_ip="203.0.113.7")),
        (
            {"scope": "campaign_provider", "key": "spring|yahoo"},
            Scope(campaign="spring", provider="yahoo"),
        ),
        ({"campaign": "spring"}, Scope(campaign="spring")),
        (
            {"source_ip": "2001:db8::1", "provider": "yahoo"},
            Scope(source_ip="2001:db8::1", provider="yahoo"),
        ),
        # Prometheus treats an empty label as none at all.
        ({"tenant": "acme", "campaign": ""}, Scope(tenant="acme")),
        # The exported pair decides; labels that say the same do no harm.
        (
            IP_PROVIDER | {"provider": "yahoo", "instance": "a:1"},
            Scope(source_ip="203.0.113.7", provider="yahoo"),
        ),
    ],
)
def test_labels_name_the_scope(labels: dict[str, str], scope: Scope) -> None:
    (command,) = parse(alert(labels)).commands
    assert command.scope == scope


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({}, ProblemReason.NO_SCOPE),
        ({"campaign": ""}, ProblemReason.NO_SCOPE),
        ({"scope": "fleet", "key": ""}, ProblemReason.BAD_SCOPE),
        ({"scope": "ip_provider", "key": "203.0.113.7"}, ProblemReason.BAD_SCOPE),
        ({"scope": "ip", "key": "a|b"}, ProblemReason.BAD_SCOPE),
        ({"scope": "ip"}, ProblemReason.BAD_SCOPE),
        ({"scope": "ip_provider", "key": "|yahoo"}, ProblemReason.BAD_SCOPE),
        ({"scope": "provider", "key": "*"}, ProblemReason.BAD_SCOPE),
        ({"scope": "provider_ip", "key": "a|b"}, ProblemReason.BAD_SCOPE),
        ({"scope": "everything", "key": "x"}, ProblemReason.BAD_SCOPE),
        ({"scope": "tenant_segment", "key": "a|b"}, ProblemReason.BAD_SCOPE),
        ({"tenant": "acme", "segment": "de"}, ProblemReason.BAD_SCOPE),
        ({"campaign": "x" * 257}, ProblemReason.BAD_SCOPE),
        ({"campaign": "a\nb"}, ProblemReason.BAD_SCOPE),
        (IP_PROVIDER | {"provider": "gmail"}, ProblemReason.BAD_SCOPE),
        (IP_PROVIDER | {"fleet": "emea"}, ProblemReason.UNKNOWN_FLEET),
        (IP_PROVIDER | {"action": "resume"}, ProblemReason.UNKNOWN_ACTION),
        (IP_PROVIDER | {"action": "PAUSE"}, ProblemReason.UNKNOWN_ACTION),
    ],
)
def test_labels_that_order_nothing(
    labels: dict[str, str], reason: ProblemReason
) -> None:
    alerts = parse(alert(labels))
    assert alerts.commands == ()
    assert reasons(alerts) == [reason]


def test_kinds_and_fleets_are_an_allow_list() -> None:
    narrow = WebhookPolicy(kinds=frozenset({"provider"}), fleets=frozenset({"emea"}))
    assert reasons(parse(alert(), policy=narrow)) == [ProblemReason.BAD_SCOPE]
    labels = {"provider": "yahoo", "fleet": "emea"}
    (command,) = parse(alert(labels), policy=narrow).commands
    assert command.fleet == "emea"


def test_alerts_without_an_action_are_none_of_our_business() -> None:
    silent = alert()
    del silent["labels"]["action"]
    alerts = parse(silent, alert(IP_PROVIDER | {"action": "none"}), alert())
    assert (len(alerts.commands), alerts.ignored, alerts.problems) == (1, 2, ())


def test_the_status_of_each_alert_decides() -> None:
    mixed = [
        alert({"campaign": "a"}, fingerprint="a"),
        alert({"campaign": "b"}, fingerprint="b", status="resolved"),
        alert({"campaign": "c"}, fingerprint="c", status="suppressed"),
    ]
    alerts = parse(*mixed)
    assert [one.action for one in alerts.commands] == [Action.SLOW, Action.RESUME]
    assert alerts.commands[1].rate_fraction == 1.0
    assert reasons(alerts) == [ProblemReason.UNKNOWN_STATUS]
    assert alerts.problems[0].position == 2


def test_one_firing_is_one_order_under_changing_ids() -> None:
    first = parse(alert()).commands[0]
    copy = parse(alert(), now=NOW + 1).commands[0]
    again = parse(alert(), now=NOW + 300).commands[0]
    ended = parse(alert(status="resolved"), now=NOW + 400).commands[0]
    other = parse(alert(startsAt=rfc3339(NOW - 59))).commands[0]
    assert copy.id == first.id
    assert again.id != first.id
    assert len({order_of(one.id) for one in (first, copy, again, ended)}) == 1
    assert order_of(other.id) != order_of(first.id)
    assert ended.id == parse(alert(status="resolved"), now=NOW + 999).commands[0].id


def test_one_body_says_each_thing_once() -> None:
    assert len(parse(alert(), alert()).commands) == 1


def test_without_a_fingerprint_the_labels_tell_alerts_apart() -> None:
    one, two = alert({"campaign": "a"}), alert({"campaign": "b"})
    del one["fingerprint"]
    two["fingerprint"] = ""
    commands = parse(one, two).commands
    assert len({order_of(command.id) for command in commands}) == 2
    turned = dict(reversed(one["labels"].items()))
    assert parse(one | {"labels": turned}).commands[0].id == commands[0].id


@pytest.mark.parametrize(
    ("starts", "taken"),
    [
        (rfc3339(NOW - 6 * 86_400), True),
        (rfc3339(NOW - 8 * 86_400), False),
        (rfc3339(NOW + 200), True),
        (rfc3339(NOW + 400), False),
        ("0001-01-01T00:00:00Z", False),
        ("2027-01-15T07:59:00.123456789Z", True),
        ("2027-01-15T09:59:00+02:00", True),
        ("2027-01-15T07:59:00", False),
    ],
)
def test_what_fires_still_may_be_old_but_not_ancient(starts: str, taken: bool) -> None:
    alerts = parse(alert(startsAt=starts))
    assert len(alerts.commands) == taken
    assert reasons(alerts) == ([] if taken else [ProblemReason.BAD_TIME])


def test_letting_go_is_never_too_late() -> None:
    old = alert(startsAt=rfc3339(NOW - 30 * 86_400), status="resolved")
    assert parse(old).commands[0].action is Action.RESUME


@pytest.mark.parametrize(
    ("text", "seconds", "problems"),
    [
        ("300", 300.0, []),
        ("90s", 90.0, []),
        ("10m", 600.0, []),
        ("1h", 3_600.0, []),
        ("1s", 60.0, []),
        ("999999h", 3_600.0, []),
        ("", 900.0, []),
        ("soon", 900.0, [ProblemReason.BAD_LEASE]),
        ("-5m", 900.0, [ProblemReason.BAD_LEASE]),
        ("1e9", 900.0, [ProblemReason.BAD_LEASE]),
        ("٣m", 900.0, [ProblemReason.BAD_LEASE]),
    ],
)
def test_a_lease_is_bounded(
    text: str, seconds: float, problems: list[ProblemReason]
) -> None:
    for place in ("labels", "annotations"):
        one = alert()
        one[place]["lease"] = text
        alerts = parse(one)
        assert alerts.commands[0].lease_seconds == seconds
        assert reasons(alerts) == problems


@pytest.mark.parametrize(
    ("text", "fraction", "problems"),
    [
        ("0.25", 0.25, []),
        (".1", 0.1, []),
        ("0.0", 0.5, [ProblemReason.BAD_FRACTION]),
        ("1", 0.5, [ProblemReason.BAD_FRACTION]),
        ("nan", 0.5, [ProblemReason.BAD_FRACTION]),
        ("-0.5", 0.5, [ProblemReason.BAD_FRACTION]),
    ],
)
def test_a_slow_may_name_its_fraction(
    text: str, fraction: float, problems: list[ProblemReason]
) -> None:
    alerts = parse(alert(IP_PROVIDER | {"rate_fraction": text}))
    assert alerts.commands[0].rate_fraction == fraction
    assert reasons(alerts) == problems


@pytest.mark.parametrize(
    "bad",
    [
        {"lease_seconds": 10.0},
        {"lease_seconds": 9_999.0},
        {"min_lease_seconds": 0.0},
        {"max_lease_seconds": float("inf")},
        {"slow_fraction": 1.0},
        {"round_seconds": 0.0},
        {"round_seconds": 61.0},
        {"max_firing_seconds": 0.0},
        {"kinds": frozenset({"fleet"})},
        {"kinds": frozenset({"provider_ip"})},
        {"kinds": frozenset({""})},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="webhook: "):
        WebhookPolicy(**bad)


def test_notifications_hold_a_throttle_for_as_long_as_the_alert_fires() -> None:
    governor = Governor(ThrottlePolicy(), "default", 1)

    def notify(now: float, **changes: Any) -> None:
        for command in parse(alert(**changes), now=now).commands:
            governor.on_command(command, now)

    for passed in range(0, 7_200, 30):
        governor.tick(NOW + passed)
        if passed % 600 == 0:
            notify(NOW + passed)
            notify(NOW + passed + 1)  # The other Alertmanager's copy.
        assert [one.action for one in governor.active] == [Action.SLOW]
    notify(NOW + 7_200, status="resolved")
    assert governor.active == ()


def test_an_alertmanager_that_dies_lets_go() -> None:
    governor = Governor(ThrottlePolicy(), "default", 1)
    for command in parse(alert()).commands:
        governor.on_command(command, NOW)
    for passed in range(0, 901, 30):
        assert passed == 900 or governor.active
        governor.tick(NOW + passed)
    assert governor.active == ()
