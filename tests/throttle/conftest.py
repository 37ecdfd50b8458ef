from collections.abc import Callable
from typing import Any

import pytest

from monitor.events import (
    Action,
    Channel,
    Command,
    Directive,
    Incident,
    IncidentState,
    Mode,
    Reason,
    ReasonShare,
    Scope,
    Severity,
)

NOW = 1_800_000_000.0


@pytest.fixture
def make_incident() -> Callable[..., Incident]:
    def make(scope: Scope, now: float = NOW, **changes: Any) -> Incident:
        fields: dict[str, Any] = {
            "id": "inc-1",
            "fleet": "default",
            "scope": scope,
            "channel": Channel.BLOCK,
            "state": IncidentState.OPEN,
            "severity": Severity.PAGE,
            "detector": "nbglr",
            "start": now - 20,
            "detected_at": now - 5,
            "updated_at": now,
            "rate": 0.40,
            "rate_low": 0.35,
            "rate_high": 0.45,
            "baseline": 0.01,
            "lift": 40.0,
            "excess": 390.0,
            "attempts": 1_000.0 + abs(now - NOW),
            "reasons": (ReasonShare(reason=Reason.POLICY, share=0.8),),
        }
        return Incident(**(fields | changes))

    return make


@pytest.fixture
def make_command() -> Callable[..., Command]:
    def make(scope: Scope, now: float = NOW, **changes: Any) -> Command:
        fields: dict[str, Any] = {
            "id": "order-1",
            "fleet": "default",
            "scope": scope,
            "action": Action.PAUSE,
            "rate_fraction": 0.0,
            "reason": "because",
            "actor": "alice",
            "issued_at": now,
            "lease_seconds": 600.0,
        }
        return Command(**(fields | changes))

    return make


@pytest.fixture
def make_directive() -> Callable[..., Directive]:
    def make(scope: Scope, now: float = NOW, **changes: Any) -> Directive:
        fields: dict[str, Any] = {
            "fleet": "default",
            "scope": scope,
            "action": Action.SLOW,
            "rate_fraction": 0.5,
            "reason": "block",
            "incident": "inc-1",
            "evidence": "many",
            "mode": Mode.ENFORCE,
            "actor": "bouncemon",
            "epoch": 1,
            "seq": 1,
            "issued_at": now,
            "expires_at": now + 300,
        }
        return Directive(**(fields | changes))

    return make
