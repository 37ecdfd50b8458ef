"""``bouncemon lab plots``: figures and tables of what the observer is worth."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from monitor.errors import ConfigError
from monitor.lab import (
    DelaySize,
    FalseAlarmSize,
    Report,
    delay_report,
    false_alarm_report,
)
from monitor.lab.one_incident import MINUTE, IncidentSize, incident_figure
from monitor.lab.plots import alarm_figure, delay_figure
from monitor.lab.reading import report_of
from monitor.lab.report import Tell
from monitor.lab.unseen import UnseenSize, unseen_figure
from monitor.service.cli_lab import lab_app, telling
from monitor.service.cli_lab_canvas import Canvas
from monitor.service.cli_lab_draw import draw_alarms, draw_delays
from monitor.service.cli_lab_draw_live import draw_incident, draw_unseen
from monitor.service.cli_lab_measured import measured_page

#: The page of tables beside the figures.
PAGE = "measured.md"

#: Healthy keys beside few that go bad, at least: a fleet must not be all bad.
LEAST_COMPANY = 50


class Wanted(StrEnum):
    """What can be made: figures, each a file of that name, and the page of tables."""

    FALSE_ALARMS = "false-alarms"
    DELAYS = "delays"
    INCIDENT = "incident"
    UNSEEN = "unseen"
    TABLES = "tables"


@dataclass(frozen=True, slots=True)
class PlotSize:
    """How much to simulate for each figure that no report was given for."""

    alarms: FalseAlarmSize
    delays: DelaySize
    incident: IncidentSize
    unseen: UnseenSize

    @classmethod
    def of(cls, keys: int) -> "PlotSize":
        """Sizes for so many keys of each regime, scenario, and rate and lift."""
        alarms = FalseAlarmSize(keys=keys, together=True)
        company = max(keys, LEAST_COMPANY)
        return cls(
            alarms,
            DelaySize(keys=keys, company=company, quiet=alarms),
            IncidentSize(),
            UnseenSize(keys=keys),
        )


#: Sizes that end within seconds: they show that all works, and nothing else.
_QUICK_ALARMS = FalseAlarmSize(keys=4, history=700.0, scored=100.0, together=True)
QUICK = PlotSize(
    _QUICK_ALARMS,
    DelaySize(keys=3, company=5, history=900.0, quiet=_QUICK_ALARMS, only="50/s step"),
    IncidentSize(
        keys=5, a_second=50.0, lasts=60.0, history=1_200.0, before=60.0, after=120.0
    ),
    UnseenSize(
        keys=1, company=5, history=900.0, seconds=300.0, rates=(5.0,), lifts=(20.0,)
    ),
)

OutOption = Annotated[Path, typer.Option("--out", help="Folder for the files.")]
FromOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--from", help="A report printed by --json; of this no new run is made."
    ),
]
OnlyOption = Annotated[
    list[Wanted] | None, typer.Option("--only", help="Make only this; repeat it.")
]
KeysOption = Annotated[int, typer.Option(min=2, help="Keys each, where run anew.")]
QuickOption = Annotated[
    bool, typer.Option("--quick", help="Tiny runs: seconds, and no sure answer.")
]
SeedOption = Annotated[int, typer.Option(help="Where chance begins.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print what is drawn as one JSON object.")
]


@lab_app.command("plots")
def plots(
    out: OutOption = Path(),
    measured: FromOption = None,
    only: OnlyOption = None,
    keys: KeysOption = 20,
    quick: QuickOption = False,
    seed: SeedOption = 7,
    as_json: JsonOption = False,
) -> None:
    """Draw figures of what is found and what is not, and write a page of tables."""
    artist = Artist(Canvas(out), QUICK if quick else PlotSize.of(keys), seed)
    for path in measured or ():
        artist.take(path)
    chosen = [wanted for wanted in Wanted if not only or wanted in only]
    drawn = [artist.draw(wanted) for wanted in chosen if wanted is not Wanted.TABLES]
    if Wanted.TABLES in chosen and artist.reports:
        artist.write_tables(out / PAGE)
    if as_json:
        typer.echo(msgspec.json.encode({one.file: one.data for one in drawn}))
        return
    for one in drawn:
        typer.echo(f"{one.file}  {one.caption}")


class Drawn(msgspec.Struct, frozen=True):
    """A file, and what is to be seen in it."""

    file: str
    caption: str
    data: Any


class Artist:
    """Draws figures from reports that are there, and from small runs of its own.

    Args:
        canvas: what to draw on.
        size: of its own runs.
        seed: of its own runs.
    """

    def __init__(self, canvas: Canvas, size: PlotSize, seed: int) -> None:
        self._canvas, self._size, self._seed = canvas, size, seed
        self.reports: dict[str, Report] = {}
        self._given: set[str] = set()

    def take(self, path: Path) -> None:
        """Take a report in.

        Raises:
            ConfigError: the file cannot be read, or is no report.
        """
        try:
            report = report_of(path.read_bytes())
        except (OSError, ConfigError) as error:
            raise ConfigError(f"--from {path}: {error}") from None
        self.reports[report.name] = report
        self._given.add(report.name)

    def draw(self, wanted: Wanted) -> Drawn:
        """Draw one figure, and write it; the tables are none.

        Raises:
            ConfigError: a report lacks what is needed, or the file cannot be written.
        """
        draw = {
            Wanted.FALSE_ALARMS: self._false_alarms,
            Wanted.DELAYS: self._delays,
            Wanted.INCIDENT: self._incident,
            Wanted.UNSEEN: self._unseen,
        }[wanted]
        figure, caption, data = draw()
        path = self._canvas.write(figure, wanted.value, caption)
        return Drawn(str(path), caption, data)

    def write_tables(self, path: Path) -> None:
        """Write the tables of all reports, given or run.

        Raises:
            ConfigError: the file cannot be written.
        """
        try:
            path.write_text(measured_page(self.reports.values()), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--out {path}: {error}") from None

    def _report(self, name: str, run: Callable[[Tell], Report]) -> tuple[Report, str]:
        """The report that was given, or of a run that is made now."""
        if name not in self.reports:
            with telling(name) as tell:
                self.reports[name] = run(tell)
        kind = f"lab {name}" if name in self._given else f"lab {name}, a reduced run"
        return self.reports[name], f"{kind}, seed {self.reports[name].seed}"

    def _false_alarms(self) -> tuple[Any, str, Any]:
        report, source = self._report(
            "false-alarms",
            lambda tell: false_alarm_report(self._size.alarms, self._seed, tell=tell),
        )
        data = alarm_figure(report)
        fleets = "all regimes in one fleet" if data.together else "a fleet each"
        caption = f"{source}, {data.key_days:g} key-days a regime, {fleets}"
        return draw_alarms(self._canvas, data), caption, data

    def _delays(self) -> tuple[Any, str, Any]:
        report, source = self._report(
            "delays",
            lambda tell: delay_report(self._size.delays, self._seed, tell=tell),
        )
        data = delay_figure(report)
        caption = f"{source}, {data.keys} keys a scenario, mean rate 2 %"
        return draw_delays(self._canvas, data), caption, data

    def _incident(self) -> tuple[Any, str, Any]:
        data = incident_figure(self._size.incident, self._seed)
        caption = (
            f"lab plots, seed {data.seed}; the worker's observer, fed with counts of "
            f"{self._size.incident.keys} campaigns; knob: one false alarm per 1000 "
            "key-days"
        )
        return draw_incident(self._canvas, data), caption, data

    def _unseen(self) -> tuple[Any, str, Any]:
        with telling("what cannot be seen") as tell:
            data = unseen_figure(self._size.unseen, self._seed, tell)
        caption = (
            f"lab plots, seed {data.seed}, {data.keys} keys a circle, each bad for "
            f"{data.seconds / MINUTE:g} min; knob and floor: one false alarm per 1000 "
            "key-days"
        )
        return draw_unseen(self._canvas, data), caption, data
