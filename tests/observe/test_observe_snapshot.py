import zlib

import msgspec
import numpy as np
import pytest

from monitor.errors import MonitorError
from monitor.events import Channel, Scope
from monitor.observe import FleetObserver, ObservePolicy
from monitor.observe.snapshot import (
    VERSION,
    Snapshot,
    decode,
    encode,
    pack_all,
    unpack_all,
)
from tests.observe.observe_world import EPOCH, Run, Spike, World

SPIKE = Spike(Scope(provider="isp0"), Channel.DEFERRAL, 0.9, 600.0)


def run_into_incident() -> Run:
    run = Run(
        World(5, providers=5, ips=5, campaigns=5, density=0.5, spikes=[SPIKE]),
    )
    run.preload(600.0)
    run.live(60.0)
    return run


def test_bytes_that_are_no_snapshot_are_refused_in_one_line() -> None:
    good = FleetObserver("default", ObservePolicy()).snapshot()
    nonsense = zlib.compress(msgspec.msgpack.encode({"version": "x"}))
    for data in (b"", b"nonsense", good[:-20], nonsense):
        with pytest.raises(MonitorError, match="snapshot") as caught:
            FleetObserver.restore("default", ObservePolicy(), data)
        assert "\n" not in str(caught.value)


def test_arrays_of_any_kind_come_back_as_they_were() -> None:
    state = {
        "rows": np.arange(12.0).reshape(3, 4),
        "columns": np.arange(12, dtype=np.int16).reshape(3, 4).T,
        "part": np.arange(20)[3:15:2],
        "foreign": np.arange(5, dtype=">i4"),
        "flags": np.array([[True], [False]]),
        "none": np.zeros((0, 7), np.float32),
        "one": np.array(2.5),
    }
    many = {f"part {number}": pack_all(state) for number in range(20)}
    saved = decode(FleetObserver("default", ObservePolicy()).snapshot())
    fields = {name: getattr(saved, name) for name in Snapshot.__struct_fields__}
    data = encode(Snapshot(**fields | {"parts": many}))
    assert decode(data).parts.keys() == many.keys()
    for part in decode(data).parts.values():
        for name, array in unpack_all(part).items():
            np.testing.assert_array_equal(array, state[name], name)
            assert array.shape == state[name].shape
            assert array.dtype == state[name].dtype.newbyteorder("<")
            array[...] = 0  # it may be written to


def test_another_version_or_fleet_is_refused() -> None:
    data = FleetObserver("default", ObservePolicy()).snapshot()
    with pytest.raises(MonitorError, match="of fleet 'default', not 'other'"):
        FleetObserver.restore("other", ObservePolicy(), data)
    saved = decode(data)
    newer = Snapshot(
        **{name: getattr(saved, name) for name in Snapshot.__struct_fields__}
        | {"version": VERSION + 1}
    )
    with pytest.raises(MonitorError, match=f"version {VERSION + 1}, not {VERSION}"):
        FleetObserver.restore("default", ObservePolicy(), encode(newer))


def test_an_older_shape_is_told_by_its_version() -> None:
    old = zlib.compress(msgspec.msgpack.encode({"version": 1, "cells": [], "now": 0.0}))
    with pytest.raises(MonitorError, match=f"version 1, not {VERSION}"):
        FleetObserver.restore("default", ObservePolicy(), old)


def test_what_was_applied_but_not_looked_at_is_in_the_snapshot() -> None:
    run = run_into_incident()
    for delta in run.world.deltas(run.seconds, 1.0):
        run.observer.apply(delta)
    data = run.observer.snapshot()
    other = FleetObserver.restore("default", run.policy, data)
    assert other.stats.waiting_slots == 1
    now = EPOCH + run.seconds + 1.0
    assert other.tick(now) == run.observer.tick(now)
    assert repr(other.rates(9)) == repr(run.observer.rates(9))


def test_with_other_slots_or_dimensions_the_incidents_live_on() -> None:
    run = run_into_incident()
    data = run.observer.snapshot()
    before = run.observer.incidents
    assert [i.scope for i in before] == [SPIKE.scope]
    for policy in (
        ObservePolicy(slot_seconds=30),
        ObservePolicy(dimensions=("provider", "campaign")),
    ):
        other = FleetObserver.restore("default", policy, data)
        assert [i.id for i in other.incidents] == [i.id for i in before]
        assert other.stats.keys == 1
        assert other.tick(EPOCH + run.seconds + 1.0) == []


def test_a_rule_that_is_new_begins_anew() -> None:
    run = run_into_incident()
    policy = ObservePolicy(detectors=("nb_glr",))
    only = FleetObserver.restore("default", policy, run.observer.snapshot())
    both = FleetObserver.restore("default", ObservePolicy(), only.snapshot())
    both.tick(EPOCH + run.seconds + 1.0)
    assert [i.scope for i in both.incidents] == [SPIKE.scope]


def test_the_size_is_told() -> None:
    run = run_into_incident()
    data = run.observer.snapshot()
    assert run.observer.stats.snapshot_bytes == len(data)
    restored = FleetObserver.restore("default", run.policy, data)
    assert restored.stats.snapshot_bytes == len(data)
