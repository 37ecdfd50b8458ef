"""Two ways to watch the demo: a live table on a terminal, or plain lines."""

from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from monitor.service.demo.rates import ProviderRates
from monitor.service.demo.scene import Scene, directive_text, incident_text

#: Providers, incidents and directives shown; more would not fit a small terminal.
SHOWN_PROVIDERS = 10
SHOWN_LINES = 6

#: A provider is drawn in red from this part of failing mail on.
ALARMING = 0.10

#: Plain lines say how far things are at most so often, in seconds of the demo.
PLAIN_EVERY_SECONDS = 5.0

REFRESH_PER_SECOND = 4


class View(Protocol):
    """Shows a scene; entered for as long as there is something to see."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the screen in order."""
        ...

    def show(self, scene: Scene) -> None:
        """Show the present moment."""
        ...


def choose_view(stream: TextIO, plain: bool) -> View:
    """Return the live view on a terminal, plain lines otherwise or if asked for."""
    if plain or not stream.isatty():
        return PlainView(stream)
    return LiveView(stream)


class LiveView:
    """Redraws one screen."""

    def __init__(self, stream: TextIO) -> None:
        self._live = Live(
            console=Console(file=stream), refresh_per_second=REFRESH_PER_SECOND
        )

    def __enter__(self) -> Self:
        """Take the screen."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last picture on the screen."""
        self._live.stop()

    def show(self, scene: Scene) -> None:
        """Redraw."""
        self._live.update(draw(scene))


class PlainView:
    """Writes a line when something happens, and now and then how far things are."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._said: set[str] = set()
        self._phase = ""
        self._next = 0.0

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to put back."""

    def show(self, scene: Scene) -> None:
        """Write what is new."""
        if scene.phase != self._phase:
            self._phase = scene.phase
            self._write(scene, scene.phase)
        for first in scene.heard.incidents.values():
            self._once(scene, f"incident: {incident_text(first.incident)}")
        for heard in scene.heard.directives:
            self._once(scene, f"directive: {directive_text(heard.directive)}")
        if scene.elapsed >= self._next:
            self._next = scene.elapsed + PLAIN_EVERY_SECONDS
            sent = f"{scene.produced:,} records sent, {scene.speed:,.0f}/s now"
            self._write(scene, sent + _worst(scene))

    def _once(self, scene: Scene, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._write(scene, text)

    def _write(self, scene: Scene, text: str) -> None:
        self._stream.write(f"[{scene.elapsed:5.1f} s] {text}\n")
        self._stream.flush()


def draw(scene: Scene) -> RenderableType:
    """Draw a scene for a terminal."""
    clock = f"{scene.elapsed:.0f} of {scene.seconds:.0f} s"
    head = (
        f"[bold]{scene.phase}[/]  {clock}   {scene.produced:,} records sent, "
        f"{scene.speed:,.0f}/s   {scene.held:,} mails held back"
    )
    incidents = [
        f"+{first.at - first.incident.start:4.1f} s  {incident_text(latest)}"
        for first, latest in zip(
            scene.heard.incidents.values(), scene.heard.latest.values(), strict=True
        )
    ]
    directives = dict.fromkeys(
        directive_text(heard.directive) for heard in scene.heard.directives
    )
    return Group(
        Text.from_markup(head),
        _rates_table(scene),
        _lines("incidents", incidents),
        _lines("directives", list(directives)),
    )


def _worst(scene: Scene) -> str:
    """Name the provider that fails most among those with the most traffic."""
    rows = scene.rates.rows[:SHOWN_PROVIDERS]
    if not rows:
        return ""
    worst = max(rows, key=lambda row: row.failing)
    return f"; worst: {worst.provider}, {worst.failing:.0%} not delivered"


def _rates_table(scene: Scene) -> Table:
    table = Table(box=None, title="last minute, as the worker exports it")
    table.add_column("provider")
    for name in ("attempts/s", "bounced", "blocked", "deferred"):
        table.add_column(name, justify="right")
    table.add_column("failing")
    for row in scene.rates.rows[:SHOWN_PROVIDERS]:
        style = "red" if row.failing >= ALARMING else ""
        cells = (*_cells(row), scene.rates.sparkline(row.provider))
        table.add_row(*map(Text, cells), style=style)
    return table


def _cells(row: ProviderRates) -> tuple[str, ...]:
    rates = (row.bounce, row.block, row.deferral)
    return row.provider, f"{row.attempts:.1f}", *(f"{rate:.1%}" for rate in rates)


def _lines(title: str, lines: list[str]) -> Panel:
    shown = "\n".join(lines[-SHOWN_LINES:]) or "none yet"
    return Panel(Text(shown), title=title, title_align="left")
