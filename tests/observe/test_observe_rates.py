import numpy as np
import pytest

from monitor.events import COLUMNS, Cell, Channel, CountDelta, Scope
from monitor.observe import FleetObserver, ObservePolicy, ScopeRate
from monitor.observe.channels import WIDTH
from monitor.observe.memory import Memory
from tests.observe.observe_world import EPOCH, Run, Spike, World, delta_of

SLOT = int(EPOCH) // 10


def counted(*providers: tuple[str, int]) -> FleetObserver:
    observer = FleetObserver("default", ObservePolicy())
    cells = [Cell(name, "", "", "", "") for name, _ in providers]
    counts = np.zeros((len(cells), len(COLUMNS)), np.int32)
    counts[:, 0] = [tried for _, tried in providers]
    observer.apply(delta_of(SLOT, cells, counts))
    observer.tick(EPOCH + 5.0)
    return observer


def attempts(rates: list[ScopeRate], kind: str, window: str = "1m") -> dict[str, float]:
    return {r.key: r.attempts for r in rates if (r.kind, r.window) == (kind, window)}


def test_the_heaviest_are_shown_and_the_rest_is_other() -> None:
    observer = counted(("a", 5), ("b", 50), ("c", 20), ("d", 1), ("", 7))
    rates = observer.rates(top=2)
    assert attempts(rates, "provider") == {"b": 50, "c": 20, "other": 13}
    assert list(attempts(rates, "provider")) == ["b", "c", "other"]
    assert attempts(rates, "fleet") == {"": 83}
    assert attempts(rates, "ip") == {}


def test_a_provider_really_named_other_is_part_of_other() -> None:
    observer = counted(("other", 100), ("b", 50), ("c", 20))
    assert attempts(observer.rates(top=1), "provider") == {"b": 50, "other": 120}


def test_what_has_an_open_incident_is_shown_however_light() -> None:
    spike = Spike(Scope(provider="isp9"), Channel.BLOCK, 0.9, 600.0)
    run = Run(World(7, providers=10, ips=3, campaigns=3, density=0.9, spikes=[spike]))
    run.preload(600.0)
    run.live(30.0)
    shown = attempts(run.observer.rates(top=1), "provider", "1h")
    assert list(shown) == ["isp9", "isp0", "other"]
    whole = attempts(run.observer.rates(top=1), "fleet", "1h")[""]
    assert sum(shown.values()) == whole


def test_a_baseline_is_nan_until_it_is_learned() -> None:
    fresh = counted(("a", 500)).rates(top=5)
    assert all(np.isnan(rate.baseline).all() for rate in fresh)
    run = Run(World(7, providers=3, ips=3, campaigns=3, density=0.9))
    run.preload(600.0)
    run.live(1.0)
    (fleet,) = [
        r for r in run.observer.rates(5) if (r.kind, r.window) == ("fleet", "5m")
    ]
    assert fleet.baseline[0] == pytest.approx(fleet.counts[0] / fleet.attempts, rel=0.5)
    assert 0 < fleet.delivered < fleet.attempts


def test_every_scope_has_every_window() -> None:
    rates = counted(("a", 5)).rates(top=5)
    assert [r.window for r in rates if r.kind == "fleet"] == ["1m", "5m", "1h", "24h"]
    assert len({(r.kind, r.key, r.window) for r in rates}) == len(rates)


def test_before_the_first_tick_there_is_nothing_and_no_error() -> None:
    observer = FleetObserver("default", ObservePolicy())
    assert [r.attempts for r in observer.rates(5)] == [0.0] * 4
    assert observer.incidents == []
    assert observer.tick(EPOCH) == []
    empty = CountDelta(slot=SLOT, watermark=EPOCH, cells=(), counts=b"")
    observer.apply(empty)
    assert observer.tick(EPOCH + 1.0) == []


def test_clocks_that_differ_or_jump_do_no_harm() -> None:
    observer = counted(("a", 5))
    ahead = np.zeros((1, len(COLUMNS)), np.int32)
    ahead[:, 0] = 3
    cells = [Cell("a", "", "", "", "")]
    observer.apply(delta_of(SLOT + 100_000, cells, ahead))
    observer.apply(delta_of(SLOT + 2, cells, ahead))
    observer.tick(EPOCH + 6.0)
    assert attempts(observer.rates(5), "fleet") == {"": 5}
    observer.tick(EPOCH + 66.0)
    assert attempts(observer.rates(5), "fleet", "5m") == {"": 11}
    observer.tick(EPOCH + 3_600.0)
    observer.apply(delta_of(SLOT + 7, cells, ahead))
    observer.tick(EPOCH + 70.0)
    assert attempts(observer.rates(5), "fleet", "5m") == {"": 14}


def test_no_bucket_is_held_that_no_window_holds() -> None:
    memory = Memory(ObservePolicy())
    one, cells = np.ones((1, len(COLUMNS)), np.int32), [Cell("a", "", "", "", "")]
    for slot in range(SLOT, SLOT + 100):
        rows = memory.seat(slot, [delta_of(slot, cells, one)])
        memory.enter(rows, np.zeros((1, WIDTH), bool))
        memory.refresh(slot)
    stamps = {
        name: memory.state()["windows"][f"stamp_{name}"]
        for name in memory.windows.names
    }
    held = {name: np.count_nonzero(stamp >= 0) for name, stamp in stamps.items()}
    assert held == {"1m": 6, "5m": 10, "1h": 4, "24h": 1}
