from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import Action
from monitor.service.alertmanager import (
    MAX_ALERTS,
    MAX_BODY_BYTES,
    ProblemReason,
    parse_alerts,
)
from tests.service.alertmanager_bodies import (
    IP_PROVIDER,
    NOW,
    POLICY,
    alert,
    body,
    parse,
    reasons,
)


def test_a_broken_alert_harms_no_neighbour() -> None:
    broken: list[Any] = [
        7,
        None,
        {},
        alert(labels={"campaign": "x"}) | {"labels": {"action": 1}},
        alert() | {"labels": None},
        alert() | {"startsAt": "yesterday"},
        alert() | {"startsAt": None},
    ]
    alerts = parse(*broken, alert())
    assert len(alerts.commands) == 1
    assert reasons(alerts) == [ProblemReason.WRONG_SHAPE] * len(broken)
    assert [problem.position for problem in alerts.problems] == list(range(len(broken)))


def bad_bodies() -> Iterator[tuple[bytes, ProblemReason]]:
    deep = b"[" * 100_000 + b"]" * 100_000
    yield b"", ProblemReason.NOT_JSON
    yield b"{", ProblemReason.NOT_JSON
    yield b"\xff\xfe", ProblemReason.NOT_JSON
    yield b'{"version":"\xff","alerts":[]}', ProblemReason.NOT_JSON
    yield b'{"x":' + deep + b"}", ProblemReason.NOT_JSON
    yield b'{"version":"4","alerts":[' + deep + b"]}", ProblemReason.NOT_JSON
    yield body(alert()).replace(b": 0,", b": NaN,"), ProblemReason.NOT_JSON
    yield b"null", ProblemReason.WRONG_SHAPE
    yield b"[]", ProblemReason.WRONG_SHAPE
    yield b"{}", ProblemReason.WRONG_SHAPE
    yield b'{"version":"4"}', ProblemReason.WRONG_SHAPE
    yield body(alerts={}), ProblemReason.WRONG_SHAPE
    yield body(alerts=None), ProblemReason.WRONG_SHAPE
    yield body(version=4), ProblemReason.WRONG_SHAPE
    yield body(version="1"), ProblemReason.WRONG_VERSION
    yield body(alerts=[1] * (MAX_ALERTS + 1)), ProblemReason.TOO_MANY
    yield b" " * (MAX_BODY_BYTES + 1), ProblemReason.TOO_LARGE


@pytest.mark.parametrize(("data", "reason"), list(bad_bodies()), ids=range(17))
def test_a_bad_body_is_a_value(data: bytes, reason: ProblemReason) -> None:
    alerts = parse_alerts(data, POLICY, NOW)
    assert alerts.rejected is not None
    assert alerts.rejected.reason is reason
    assert (alerts.commands, alerts.problems) == ((), ())
    assert alerts.error is not None
    assert alerts.error.startswith(reason)
    assert "\n" not in alerts.error
    assert len(alerts.error) < 200


def test_the_largest_body_is_read() -> None:
    many = [
        alert({"campaign": f"c{number}"}, fingerprint=f"{number:016x}")
        for number in range(MAX_ALERTS)
    ]
    data = body(*many)
    assert len(data) < MAX_BODY_BYTES
    alerts = parse_alerts(data.ljust(MAX_BODY_BYTES), POLICY, NOW)
    assert len(alerts.commands) == MAX_ALERTS


def test_what_was_left_out_is_neither_ended_nor_forgotten() -> None:
    alerts = parse_alerts(body(alert(), truncatedAlerts=7), POLICY, NOW)
    assert alerts.truncated == 7
    assert [one.action for one in alerts.commands] == [Action.SLOW]
    assert parse_alerts(body(truncatedAlerts=-1), POLICY, NOW).truncated == 0


def test_details_hold_no_control_characters() -> None:
    alerts = parse(alert(IP_PROVIDER | {"action": "a\nb\x1b[2J" + "x" * 999}))
    (problem,) = alerts.problems
    assert problem.detail.isprintable()
    assert len(problem.detail) <= 120


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    parse_alerts(data, POLICY, NOW)


@settings(max_examples=300)
@given(
    st.sampled_from(("status", "labels", "annotations", "startsAt", "fingerprint")),
    json_values,
    st.sampled_from(("version", "alerts", "truncatedAlerts", "extra")),
    json_values,
)
def test_no_wrong_value_raises(
    inner: str, value: object, outer: str, other: object
) -> None:
    odd = parse_alerts(body(alert() | {inner: value}, alert()), POLICY, NOW)
    assert odd.error is not None or len(odd.commands) + odd.ignored >= 1
    parse_alerts(body(alert(), **{outer: other}), POLICY, NOW)


@given(
    st.dictionaries(
        st.sampled_from(
            ("action", "scope", "key", "fleet", "lease", "campaign", "provider")
        ),
        st.sampled_from(("pause", "slow", "ip", "yahoo", "a|b", "", "*", "5m", "other"))
        | st.text(max_size=6),
    )
)
def test_no_labels_order_more_than_the_allow_list(labels: dict[str, str]) -> None:
    for command in parse(alert(labels)).commands:
        assert command.scope.kind in POLICY.kinds
        assert all(value not in ("", "*") for value in command.scope.values)
        assert command.action in (Action.SLOW, Action.PAUSE)
        assert 0 <= command.rate_fraction < 1
        assert 60 <= command.lease_seconds <= 3_600
        assert command.fleet == "default"
