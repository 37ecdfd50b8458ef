"""Figures are pictures of the numbers, and files of sane size."""

import json
import struct
from math import nan
from pathlib import Path

import pytest

from monitor.errors import ConfigError
from monitor.lab.one_incident import Evidence, IncidentFigure, Minute
from monitor.lab.plots import AlarmBar, AlarmFigure, DelayFigure, DelayRow
from monitor.lab.report import Bound, Report, Table
from monitor.lab.unseen import Floor, Trial, UnseenFigure
from monitor.service import cli, cli_lab_canvas
from monitor.service.cli_lab_canvas import Canvas
from monitor.service.cli_lab_draw import NEVER, draw_alarms, draw_delays
from monitor.service.cli_lab_draw_live import draw_incident, draw_unseen
from monitor.service.cli_lab_measured import measured_page

MOST_BYTES = 150_000

ALARMS = Report.of(
    "false-alarms",
    (3, {"keys": 500, "scored": 86_400, "together": 0}),
    [
        Table(
            "False alarms per 1000 key-days",
            ("regime", "bouncemon", "5 % over 5 min"),
            (("new keys", 2.0, 512.0), ("all", 2.0, 512.0)),
        )
    ],
    [Bound("worst regime", 2.0, 3.0), Bound("all", 2.0, 1.2)],
)


def is_png(path: Path) -> bool:
    """A picture of a size that a page can show."""
    data = path.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    return (
        data.startswith(b"\x89PNG\r\n\x1a\n")
        and 800 <= width <= 1_400
        and 200 <= height <= 1_400
        and 5_000 < len(data) < MOST_BYTES
    )


def test_a_report_becomes_a_figure_and_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "alarms.json"
    given.write_bytes(ALARMS.as_json())
    argv = ["lab", "plots", "--out", str(tmp_path), "--from", str(given), "--json"]
    assert cli.run([*argv, "--only=false-alarms", "--only=tables"]) == 0
    file = tmp_path / "false-alarms.png"
    assert is_png(file)
    said = json.loads(capsys.readouterr().out)[str(file)]
    assert (said["seed"], said["key_days"]) == (3, 500.0)
    assert [bar["literal"] for bar in said["bars"]] == [512.0, 512.0]
    page = (tmp_path / "measured.md").read_text()
    assert "| new keys | 2 | 512 |" in page
    assert "| all | 2 | <= 1.2 | **missed** |" in page
    assert "Seed 3; keys 500, scored 86400, together 0. Bounds: not all kept." in page
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [
        ".json",
        ".md",
        ".png",
    ]


def test_an_incident_of_its_own_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["lab", "plots", "--quick", "--only=incident", "--out", str(tmp_path)]
    assert cli.run(argv) == 0
    assert is_png(tmp_path / "incident.png")
    out = capsys.readouterr().out
    assert out.startswith(str(tmp_path / "incident.png"))
    assert "seed 7" in out
    assert not (tmp_path / "measured.md").exists()


def test_without_its_library_it_says_what_to_install(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli_lab_canvas, "LIBRARY", "no_such_library")
    assert cli.run(["lab", "plots", "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "lab plots needs no_such_library (install bouncemon[plot])" in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--out=nowhere"], "--out nowhere: there is no such folder"),
        (["--from=nowhere.json"], "--from nowhere.json: "),
        (["--from=bad.json"], "--from bad.json: not a report of the lab"),
    ],
)
def test_what_cannot_be_used_is_told(
    argv: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.json").write_text("{}")
    assert cli.run(["lab", "plots", *argv]) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.json"]


@pytest.fixture
def canvas(tmp_path: Path) -> Canvas:
    return Canvas(tmp_path)


def test_bars_are_as_long_as_the_numbers(canvas: Canvas) -> None:
    bars = (
        AlarmBar("a", 0.0, 0.0, 7.4, 474.0),
        AlarmBar("b", 2.5, 0.5, 9.0, 0.0),
    )
    figure = draw_alarms(canvas, AlarmFigure(7, 500.0, False, 1.0, 3.0, "5 %", bars))
    ours, literal = figure.axes
    assert [bar.get_width() for bar in ours.patches] == [0.0, 2.5]
    assert [bar.get_width() for bar in literal.patches] == [474.0, 0.0]
    (lines,) = ours.collections
    ends = [[point[0] for point in line] for line in lines.get_segments()]
    assert ends == [[0.0, 7.4], [0.5, 9.0]]
    assert [label.get_text() for label in ours.get_yticklabels()] == ["a", "b"]
    assert {line.get_xdata()[0] for line in ours.lines} >= {1.0, 3.0}
    assert is_png(canvas.write(figure, "bars", "seed 7"))


def test_dots_stand_at_the_ratios(canvas: Canvas) -> None:
    rows = (
        DelayRow("1/s step x2", 1.0, nan, 1545.0, 0.2, nan, nan, nan, None, {"z": nan}),
        DelayRow("5/s burst", 5.0, 33.0, 30.0, 1.0, 1.1, 0.6, 2.2, 1.3, {"z": 40.0}),
    )
    figure = draw_delays(canvas, DelayFigure(7, 200, rows))
    (axes,) = figure.axes
    drawn = {
        (line.get_marker(), *map(float, line.get_xdata()))
        for line in axes.lines
        if len(line.get_xdata())
    }
    assert {("o", NEVER), ("o", 1.1), ("s", NEVER), ("s", 40.0)} <= drawn
    assert ("None", 0.6, 2.2) in drawn
    assert {("None", 1.0, 1.0), ("None", 1.3, 1.3)} <= drawn
    told = [text.get_text() for text in axes.texts]
    assert told == [
        "20 % found (optimum 1545 s)",
        "33 s (optimum 30 s), 100 % found",
    ]
    assert is_png(canvas.write(figure, "dots", "seed 7"))


def incident(detected: float | None) -> IncidentFigure:
    return IncidentFigure(
        seed=7,
        normal=0.02,
        lift=5.0,
        a_second=5.0,
        ended=60.0,
        onset=None if detected is None else 1.0,
        detected=detected,
        recovering=None,
        closed=None,
        minutes=(
            Minute(-60.0, 300.0, 6.0, 0.02),
            Minute(0.0, 300.0, 30.0, 0.02),
            Minute(60.0, 0.0, 0.0, 0.02),
        ),
        evidence=(Evidence(-5.0, 0.0, 15.0), Evidence(20.0, 16.0, 15.0)),
    )


def test_an_incident_shows_rates_and_evidence(canvas: Canvas) -> None:
    rates, evidence = draw_incident(canvas, incident(20.0)).axes
    heights = [bar.get_height() for bar in rates.containers[0]]
    assert heights == pytest.approx([2.0, 10.0])
    assert rates.get_title(loc="left").startswith("One incident: 5 events a second")
    assert evidence.lines[0].get_ydata().tolist() == [0.0, 16.0]
    words = " ".join(
        text.get_text() for axes in (rates, evidence) for text in axes.texts
    )
    assert "detected 20 s" in words
    assert "onset, as estimated: 1 s" in words
    assert "closed" not in words


def test_who_was_not_found_is_not_called_an_incident(canvas: Canvas) -> None:
    figure = draw_incident(canvas, incident(None))
    assert figure.axes[0].get_title(loc="left").startswith("A spike, not found")
    assert is_png(canvas.write(figure, "missed", "seed 7"))


def test_circles_hold_the_share_found(canvas: Canvas) -> None:
    shown = UnseenFigure(
        seed=7,
        keys=20,
        normal=0.02,
        seconds=3_600.0,
        margin=0.15,
        floor=(Floor(0.4, 2.0), Floor(0.01, 10.0)),
        tested=(Trial(0.01, 20.0, 0.45, 20), Trial(5.0, 1.5, 1.0, 20)),
    )
    figure = draw_unseen(canvas, shown)
    (axes,) = figure.axes
    told = {text.get_text(): text.xy for text in axes.texts}
    assert told == {"45": (0.01, 20.0), "100": (5.0, 1.5)}
    assert axes.lines[0].get_xydata().tolist() == [[0.4, 2.0], [0.01, 10.0]]
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["36/h", "5/s"]
    assert is_png(canvas.write(figure, "unseen", "seed 7"))


def test_a_figure_that_cannot_be_written_is_told(canvas: Canvas) -> None:
    with pytest.raises(ConfigError, match="--out"):
        canvas.write(canvas.figure(2.0), "no/such/folder", "")


def test_a_page_has_a_section_a_report() -> None:
    page = measured_page([ALARMS, Report.of("blame", (1, {}), [], [])])
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        "# Measured",
        "## `bouncemon lab false-alarms`",
        "## `bouncemon lab blame`",
    ]
