"""A provider of thousands of scopes goes down at once."""

from monitor.events import Channel, Scope
from tests.observe.observe_world import Run, Spike, World

HISTORY = 660.0
BEGIN = HISTORY + 10.0
DOWN = Scope(provider="isp0")
KEYS = 2_000


def lit(run: Run) -> int:
    """Scopes whose mail fails much more than it did."""
    column = tuple(Channel).index(Channel.DEFERRAL)
    now = [row for row in run.observer.rates(10_000) if row.window == "1m"]
    return sum(
        row.key != "other" and row.counts[column] > 2.0 * 0.05 * row.attempts
        for row in now
    )


def test_two_thousand_keys_that_light_up_are_one_incident_in_five_seconds() -> None:
    world = World(
        7,
        providers=4,
        ips=60,
        campaigns=2_000,
        density=0.012,
        a_second=4_000.0,
        spikes=[Spike(DOWN, Channel.DEFERRAL, 0.9, BEGIN)],
    )
    run = Run(world)
    run.preload(HISTORY)
    assert run.live(10.0) == []
    (opened, *rest) = run.live(5.0)
    assert (opened.scope, opened.channel) == (DOWN, Channel.DEFERRAL)
    assert {incident.id for incident in rest} <= {opened.id}
    most = 1
    for _ in range(10):
        run.live(1.0)
        most = max(most, len(run.observer.incidents))
    assert most <= 3
    assert len(run.opened) == 1
    assert lit(run) >= KEYS
