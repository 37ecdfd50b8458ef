"""How a governor goes on in another process: from a snapshot, from the topic, or both.

The compacted topic is the truth about what is in force; a snapshot adds what the topic
does not hold (evidence, the rate caps, orders already obeyed) and may be older.
"""

from collections import deque

import msgspec

from monitor.errors import MonitorError
from monitor.events import Directive, Scope
from monitor.throttle.law import supersedes, throttles
from monitor.throttle.memory import Claim, Lease, Memory
from monitor.throttle.policy import ThrottlePolicy
from monitor.throttle.rulings import RulingReason, is_human

SNAPSHOT_VERSION = 1


class Snapshot(msgspec.Struct, kw_only=True):
    """A memory as bytes hold it; clock readings are moved to wall time."""

    v: int = SNAPSHOT_VERSION
    fleet: str
    seq: int
    leases: list[Lease]
    holds: list[tuple[Scope, Claim]]
    claims: list[tuple[Scope, Claim]]
    orders: list[str]
    closed: list[tuple[str, float]]
    spent: list[tuple[str, float]]
    refused: list[tuple[str, list[RulingReason]]]
    pauses: list[float]
    changes: list[tuple[Scope, list[float]]]


def pack(memory: Memory, fleet: str) -> bytes:
    """Return the memory as bytes."""
    by = memory.clock.lag
    snapshot = Snapshot(
        fleet=fleet,
        seq=memory.seq,
        leases=[lease.shifted(by) for lease in memory.leases.values()],
        holds=[(scope, hold.shifted(by)) for scope, hold in memory.holds.items()],
        claims=[(scope, claim.shifted(by)) for scope, claim in memory.all_claims()],
        orders=list(memory.orders),
        closed=list(memory.closed.items()),
        spent=list(memory.spent.items()),
        refused=[(source, sorted(said)) for source, said in memory.refused.items()],
        pauses=[moment + by for moment in memory.pauses],
        changes=[
            (scope, [moment + by for moment in moments])
            for scope, moments in memory.changes.items()
        ],
    )
    return msgspec.msgpack.encode(snapshot)


def unpack(data: bytes, fleet: str) -> Memory:
    """Read what ``pack`` wrote.

    Raises:
        MonitorError: the bytes are no snapshot of this version and fleet.
    """
    try:
        snapshot = msgspec.msgpack.decode(data, type=Snapshot)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MonitorError(f"no snapshot of a governor: {error}") from error
    if (snapshot.v, snapshot.fleet) != (SNAPSHOT_VERSION, fleet):
        raise MonitorError(
            f"a governor's snapshot, but version {snapshot.v} of {snapshot.fleet!r}"
        )
    memory = Memory()
    memory.seq = snapshot.seq
    for lease in snapshot.leases:
        memory.put_lease(lease.directive.scope, lease)
    memory.holds = dict(snapshot.holds)
    for scope, claim in snapshot.claims:
        memory.put_claim(scope, claim)
    memory.orders = dict.fromkeys(snapshot.orders)
    memory.closed = dict(snapshot.closed)
    memory.spent = dict(snapshot.spent)
    memory.refused = {source: set(said) for source, said in snapshot.refused}
    memory.pauses = deque(snapshot.pauses)
    memory.changes = {scope: deque(moments) for scope, moments in snapshot.changes}
    return memory


def adopt(memory: Memory, directive: Directive, policy: ThrottlePolicy) -> None:
    """Take over a directive that an earlier owner left in force.

    Its lease is kept; it climbs no further until its incident or alert is heard again.
    """
    scope = directive.scope
    old = memory.leases.get(scope)
    memory.seq = max(memory.seq, directive.seq)
    if not supersedes(directive, old.directive if old else None):
        return
    ends = directive.expires_at
    memory.put_lease(scope, Lease(directive, ends, ends, directive.issued_at))
    memory.holds.pop(scope, None)
    claim = _claim_of(directive, policy)
    if is_human(directive.actor):
        memory.holds[scope] = claim
    elif not throttles(directive):
        memory.claims.pop(scope, None)
    elif claim.source not in memory.claims.get(scope, {}):
        memory.put_claim(scope, claim)


def cut(memory: Memory, policy: ThrottlePolicy) -> None:
    """Shorten what an owner with a wild clock promised; call when the clock starts."""
    reading = memory.clock.reading
    order = reading + policy.max_order_seconds
    heard = reading + max(policy.hold_age_seconds, policy.max_alert_lease_seconds)
    adopted = reading + policy.lease_seconds
    for scope, hold in memory.holds.items():
        memory.holds[scope] = _ending(hold, order)
    for scope, claim in memory.all_claims():
        memory.put_claim(scope, _ending(claim, heard if claim.heard else adopted))
    for scope, lease in memory.leases.items():
        since = min(lease.since, reading)
        ends = min(lease.ends, order)
        memory.leases[scope] = Lease(lease.directive, ends, lease.renew_at, since)


def _ending(claim: Claim, latest: float) -> Claim:
    return msgspec.structs.replace(claim, ends=min(claim.ends, latest))


def _claim_of(directive: Directive, policy: ThrottlePolicy) -> Claim:
    above = sum(rung.rate_fraction > directive.rate_fraction for rung in policy.ladder)
    rung = min(above, policy.top)
    return Claim(
        source=directive.incident,
        actor=directive.actor,
        action=directive.action,
        rate_fraction=directive.rate_fraction,
        reason=directive.reason,
        evidence=directive.evidence,
        ends=directive.expires_at,
        asked_at=directive.issued_at if is_human(directive.actor) else 0.0,
        rung=rung,
        top=rung,
    )
