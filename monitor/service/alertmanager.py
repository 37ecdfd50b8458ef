"""Alertmanager's webhook body (version 4) as commands; pure.

Theory of operation. Alertmanager delivers at least once, out of order, and says a
firing alert again at every ``repeat_interval`` (rounded up to ``group_interval``). That
repetition is the renewal: each one becomes a new command of the same order, so a lease
must outlast the repeat interval, and an Alertmanager that dies lets go by itself.

    order   alert-<hash of fingerprint and startsAt>
    id      <order>/firing/<round>    round = now / round_seconds
            <order>/resolved

Copies that arrive within one round (two Alertmanagers, a retry after a lost answer)
have one id and count once; a copy that falls into the next round renews once more,
which does no harm. The status of each alert decides, never the outer one. An alert
that is absent says nothing: truncated lists are safe, the missing ones are said again
or their leases end.

An old ``startsAt`` is legitimate, since it stays the same while an alert fires on; only
what has fired for ``max_firing_seconds`` is refused, as a standing condition that a
person should own. Labels reach a scope through an allow-list of kinds only.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from monitor.errors import ConfigError
from monitor.events import SCOPE_DIMENSIONS, Action, Command, Scope
from monitor.throttle import ALERTMANAGER, clean

#: Alertmanager's own groups stay far below both; more is a mistake or an attack.
MAX_BODY_BYTES = 1024 * 1024
MAX_ALERTS = 1_000
#: Longest label value that may name a scope, in characters.
MAX_KEY = 256
#: A sender's clock may be ahead by this much, in seconds.
MAX_SKEW_SECONDS = 300.0
#: Characters of the detail that goes with a problem.
MAX_DETAIL = 120
#: Short names of the dimensions in the fields' own names.
_FIELDS = dict(zip(SCOPE_DIMENSIONS, Scope.__struct_fields__, strict=True))
#: Labels that name a dimension directly.
_DIRECT_LABELS = tuple(_FIELDS.values())
_LEASE = re.compile(r"(\d{1,6})(s|m|h)?", re.ASCII)
_FRACTION = re.compile(r"0?\.\d{1,6}", re.ASCII)
_LEASE_UNITS = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0}

DEFAULT_KINDS = frozenset(
    {
        "provider",
        "ip",
        "campaign",
        "tenant",
        "segment",
        "ip_provider",
        "campaign_provider",
    }
)


class ProblemReason(StrEnum):
    """Why a body or an alert was not taken as it is; the metric's label."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    WRONG_SHAPE = "wrong_shape"
    WRONG_VERSION = "wrong_version"
    TOO_MANY = "too_many"
    UNKNOWN_ACTION = "unknown_action"
    UNKNOWN_STATUS = "unknown_status"
    UNKNOWN_FLEET = "unknown_fleet"
    NO_SCOPE = "no_scope"
    BAD_SCOPE = "bad_scope"
    BAD_TIME = "bad_time"
    # The alert is obeyed with the default instead.
    BAD_LEASE = "bad_lease"
    BAD_FRACTION = "bad_fraction"


class Problem(NamedTuple):
    """One thing wrong; ``position`` is the alert's place in the list."""

    reason: ProblemReason
    detail: str = ""
    position: int | None = None


class Alerts(NamedTuple):
    """What one body said.

    ``rejected`` is set when nothing of it could be used: answer 400. ``ignored``
    counts alerts that ask for nothing; ``truncated`` those that were left out.
    """

    commands: tuple[Command, ...] = ()
    ignored: int = 0
    problems: tuple[Problem, ...] = ()
    truncated: int = 0
    rejected: Problem | None = None

    @property
    def error(self) -> str | None:
        """Why nothing could be used, in one line; None when the body was read."""
        if self.rejected is None:
            return None
        return f"{self.rejected.reason}: {self.rejected.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPolicy:
    """What alerts may order.

    Attributes:
        fleet: the fleet of alerts that name none.
        fleets: further fleets that a label may name.
        kinds: kinds of scope that labels may name.
        lease_seconds: lease of alerts that name none; above ``repeat_interval``.
        min_lease_seconds: shorter leases are lengthened to this.
        max_lease_seconds: longer leases are cut to this.
        slow_fraction: part of traffic (0-1) left by a slow that names none.
        round_seconds: copies of an alert this close together count once.
        max_firing_seconds: an alert that began longer ago orders nothing.

    Raises:
        ConfigError: a value is out of its range or a kind does not exist.
    """

    fleet: str = "default"
    fleets: frozenset[str] = frozenset()
    kinds: frozenset[str] = DEFAULT_KINDS
    lease_seconds: float = 900.0
    min_lease_seconds: float = 60.0
    max_lease_seconds: float = 3_600.0
    slow_fraction: float = 0.5
    round_seconds: float = 30.0
    max_firing_seconds: float = 7 * 86_400.0

    def __post_init__(self) -> None:
        low, high = self.min_lease_seconds, self.max_lease_seconds
        checks = (
            (
                0 < low <= self.lease_seconds <= high < math.inf,
                "the leases do not rise",
            ),
            (0 < self.slow_fraction < 1, "slow_fraction must lie between 0 and 1"),
            (
                0 < self.round_seconds <= low,
                "round_seconds must be above 0 and at most min_lease_seconds",
            ),
            (
                0 < self.max_firing_seconds < math.inf,
                "max_firing_seconds is not positive",
            ),
        )
        for good, what in checks:
            if not good:
                raise ConfigError(f"webhook: {what}")
        for kind in self.kinds:
            if not _is_kind(kind):
                raise ConfigError(f"webhook: {kind!r} is no kind of scope")


class _Alert(msgspec.Struct, gc=False):
    status: str
    startsAt: datetime  # noqa: N815 - the sender's spelling
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    fingerprint: str = ""


class _Body(msgspec.Struct, gc=False):
    version: str
    alerts: list[msgspec.Raw]
    truncatedAlerts: int = 0  # noqa: N815 - the sender's spelling


def parse_alerts(body: bytes, policy: WebhookPolicy, now: float) -> Alerts:
    """Turn a webhook body into commands; never raises.

    Args:
        body: the request body as received.
        policy: what alerts may order.
        now: the time of arrival, which the leases count from.
    """
    if len(body) > MAX_BODY_BYTES:
        return Alerts(rejected=Problem(ProblemReason.TOO_LARGE, f"{len(body)} bytes"))
    try:
        content = msgspec.json.decode(body, type=_Body)
    except msgspec.ValidationError as error:
        return Alerts(rejected=_problem(ProblemReason.WRONG_SHAPE, str(error)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Alerts(rejected=_problem(ProblemReason.NOT_JSON, str(error)))
    if content.version != "4":
        return Alerts(rejected=_problem(ProblemReason.WRONG_VERSION, content.version))
    if len(content.alerts) > MAX_ALERTS:
        detail = f"{len(content.alerts)} alerts"
        return Alerts(rejected=_problem(ProblemReason.TOO_MANY, detail))
    return _read_all(content, policy, now)


def _read_all(content: _Body, policy: WebhookPolicy, now: float) -> Alerts:
    commands: dict[str, Command] = {}
    problems: list[Problem] = []
    ignored = 0
    for position, raw in enumerate(content.alerts):
        alert = _decode(raw)
        if isinstance(alert, _Alert) and _asks_nothing(alert):
            ignored += 1
            continue
        read = alert if isinstance(alert, Problem) else _read(alert, policy, now)
        if isinstance(read, Problem):
            problems.append(read._replace(position=position))
            continue
        commands.setdefault(read.command.id, read.command)
        problems += (problem._replace(position=position) for problem in read.problems)
    truncated = max(content.truncatedAlerts, 0)
    return Alerts(tuple(commands.values()), ignored, tuple(problems), truncated)


def _decode(raw: msgspec.Raw) -> _Alert | Problem:
    try:
        return msgspec.json.decode(raw, type=_Alert)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return _problem(ProblemReason.WRONG_SHAPE, str(error))


def _asks_nothing(alert: _Alert) -> bool:
    return alert.labels.get("action", "") in ("", "none")


class _Read(NamedTuple):
    """A command, and what was wrong with the alert but did not matter."""

    command: Command
    problems: tuple[Problem, ...]


def _read(alert: _Alert, policy: WebhookPolicy, now: float) -> _Read | Problem:
    action = alert.labels["action"]
    if action not in (Action.SLOW, Action.PAUSE):
        return _problem(ProblemReason.UNKNOWN_ACTION, action)
    if alert.status not in ("firing", "resolved"):
        return _problem(ProblemReason.UNKNOWN_STATUS, alert.status)
    fleet = alert.labels.get("fleet") or policy.fleet
    if fleet != policy.fleet and fleet not in policy.fleets:
        return _problem(ProblemReason.UNKNOWN_FLEET, fleet)
    if not _is_timely(alert, policy, now):
        return _problem(ProblemReason.BAD_TIME, alert.startsAt.isoformat())
    scope = _scope(alert.labels, policy)
    if isinstance(scope, Problem):
        return scope
    return _order(alert, fleet, scope, policy, now)


def _order(
    alert: _Alert, fleet: str, scope: Scope, policy: WebhookPolicy, now: float
) -> _Read:
    firing = alert.status == "firing"
    lease, bad_lease = _lease(alert, policy)
    slow, bad_fraction = _fraction(alert, policy)
    action = Action(alert.labels["action"]) if firing else Action.RESUME
    fractions = {Action.SLOW: slow, Action.PAUSE: 0.0, Action.RESUME: 1.0}
    suffix = f"firing/{int(now // policy.round_seconds)}" if firing else "resolved"
    command = Command(
        id=f"{_order_id(alert)}/{suffix}",
        fleet=fleet,
        scope=scope,
        action=action,
        rate_fraction=fractions[action],
        reason=_reason(alert),
        actor=ALERTMANAGER,
        issued_at=now,
        lease_seconds=lease,
    )
    return _Read(command, bad_lease + bad_fraction)


def _order_id(alert: _Alert) -> str:
    """Name one firing of one alert, the same for each of its notifications."""
    labels = msgspec.json.encode(alert.labels, order="sorted")
    identity = alert.fingerprint.encode("utf-8", "replace") or labels
    start = f"{alert.startsAt.timestamp():.3f}".encode()
    return (
        "alert-" + hashlib.blake2b(identity + b" " + start, digest_size=8).hexdigest()
    )


def _is_timely(alert: _Alert, policy: WebhookPolicy, now: float) -> bool:
    if alert.startsAt.tzinfo is None:
        return False
    age = now - alert.startsAt.timestamp()
    # Letting go is never too late.
    return alert.status == "resolved" or (
        -MAX_SKEW_SECONDS <= age <= policy.max_firing_seconds
    )


def _scope(labels: Mapping[str, str], policy: WebhookPolicy) -> Scope | Problem:
    """Read ``scope`` and ``key`` as our metrics export them, else direct labels."""
    kind = labels.get("scope", "")
    fields = {name: labels[name] for name in _DIRECT_LABELS if labels.get(name)}
    if kind:
        names = [_FIELDS.get(name, "") for name in kind.split("_")]
        parts = labels.get("key", "").split("|")
        if kind not in policy.kinds or len(names) != len(parts):
            return _problem(ProblemReason.BAD_SCOPE, f"{kind}={labels.get('key', '')}")
        named = dict(zip(names, parts, strict=True))
        if any(fields.get(name, part) != part for name, part in named.items()):
            return _problem(ProblemReason.BAD_SCOPE, f"{kind} and labels disagree")
        fields = named
    if not fields:
        return _problem(ProblemReason.NO_SCOPE, labels.get("alertname", ""))
    scope = Scope(**fields)
    if scope.kind not in policy.kinds or not all(map(_is_value, fields.values())):
        return _problem(ProblemReason.BAD_SCOPE, f"{scope.kind}={scope.key}")
    return scope


def _is_value(text: str) -> bool:
    return 0 < len(text) <= MAX_KEY and text != "*" and text.isprintable()


def _is_kind(kind: str) -> bool:
    names = kind.split("_")
    return names == [name for name in SCOPE_DIMENSIONS if name in names]


def _lease(alert: _Alert, policy: WebhookPolicy) -> tuple[float, tuple[Problem, ...]]:
    text = alert.labels.get("lease") or alert.annotations.get("lease")
    if not text:
        return policy.lease_seconds, ()
    match = _LEASE.fullmatch(text)
    if match is None:
        return policy.lease_seconds, (_problem(ProblemReason.BAD_LEASE, text),)
    seconds = int(match[1]) * _LEASE_UNITS[match[2]]
    return min(max(seconds, policy.min_lease_seconds), policy.max_lease_seconds), ()


def _fraction(
    alert: _Alert, policy: WebhookPolicy
) -> tuple[float, tuple[Problem, ...]]:
    name = "rate_fraction"
    text = alert.labels.get(name) or alert.annotations.get(name)
    if not text:
        return policy.slow_fraction, ()
    match = _FRACTION.fullmatch(text)
    if match is None or not 0 < float(text) < 1:
        return policy.slow_fraction, (_problem(ProblemReason.BAD_FRACTION, text),)
    return float(text), ()


def _reason(alert: _Alert) -> str:
    name = alert.labels.get("alertname", "alert")
    summary = alert.annotations.get("summary", "")
    return clean(f"{name}: {summary}" if summary else name)


def _problem(reason: ProblemReason, detail: str) -> Problem:
    return Problem(reason, clean(detail)[:MAX_DETAIL])
