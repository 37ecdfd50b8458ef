import numpy as np

from monitor.events import COLUMNS, Cell, Channel, CountDelta, Incident
from monitor.observe import FleetObserver, ObservePolicy

EPOCH = 1_767_571_200
CELLS = tuple(Cell("p1", f"i{ip}", f"c{ip}", "", "") for ip in range(6))


def mail(bad_part: list[float]) -> bytes:
    counts = np.zeros((len(CELLS), len(COLUMNS)), "<i4")
    tried = 40
    for row, part in enumerate(bad_part):
        failed = round(tried * part)
        counts[row, COLUMNS.index("attempts")] = tried
        counts[row, COLUMNS.index("delivered")] = tried - failed
        for channel in (Channel.HARD, Channel.BOUNCE):
            counts[row, COLUMNS.index(channel)] = failed
    return counts.tobytes()


def told(observer: FleetObserver, slots: range, parts: list[float]) -> list[Incident]:
    found = []
    for number in slots:
        end = EPOCH + 10.0 * (number + 1)
        slot = EPOCH // 10 + number
        observer.apply(
            CountDelta(slot=slot, watermark=end, cells=CELLS, counts=mail(parts))
        )
        found += observer.tick(end)
    return found


def test_a_spike_on_top_of_a_fleet_above_its_limit_is_found() -> None:
    observer = FleetObserver("f", ObservePolicy(detectors=("nb_glr", "limit")))
    always = [0.075] * len(CELLS)
    first = told(observer, range(300), always)
    assert {incident.detector for incident in first} == {"limit"}
    assert {incident.baseline for incident in first} == {0.05}  # nothing was learned
    assert len({incident.id for incident in first if incident.closed_at is None}) <= 2
    spike = told(observer, range(300, 310), [0.5, *always[1:]])
    new = {incident.id for incident in spike} - {incident.id for incident in first}
    scopes = {i.scope.key for i in spike if i.id in new and i.detector == "nb_glr"}
    assert scopes
    assert all("i0" in key or "c0" in key for key in scopes)
