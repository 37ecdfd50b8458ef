"""``bouncemon backtest --plot``: rates over time, with the incidents in them."""

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from monitor.backtest import Curve, Curves, Found
from monitor.errors import ConfigError
from monitor.events import Channel

#: The optional library, and the extra of ours that brings it.
LIBRARY, EXTRA = "matplotlib", "plot"

#: Most incidents with a panel of their own; the loudest are taken.
MOST_PANELS = 12

#: Inches of a panel, and dots an inch.
WIDTH, HEIGHT, DOTS = 11.0, 2.2, 110


class Plot:
    """Gathers what is to be drawn.

    Args:
        path: where the picture goes.

    Raises:
        ConfigError: the library is not installed, or there is no such folder.
    """

    def __init__(self, path: Path) -> None:
        # By name, and only when it is asked for: it is optional, and slow to load.
        try:
            self._figure: Any = import_module(f"{LIBRARY}.figure")
            self._dates: Any = import_module(f"{LIBRARY}.dates")
        except ImportError:
            raise ConfigError(
                f"--plot needs {LIBRARY} (install bouncemon[{EXTRA}])"
            ) from None
        if not path.parent.is_dir():
            raise ConfigError(f"--plot {path}: there is no such folder")
        self._path = path
        self.curves = Curves()
        self.incidents: list[Found] = []

    def write(self) -> None:
        """Draw a panel for each incident, or the fleet if there is none.

        Raises:
            ConfigError: the picture cannot be written.
        """
        ranked = sorted(self.incidents, key=lambda found: -found.excess)[:MOST_PANELS]
        shown = sorted(ranked, key=lambda found: found.onset)
        rows = max(1, len(shown))
        figure = self._figure.Figure(
            figsize=(WIDTH, HEIGHT * rows + 0.6), layout="constrained"
        )
        panels = figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
        if not shown:
            self._draw_fleet(panels[0])
        for panel, found in zip(panels, shown, strict=False):
            self._draw(panel, found)
        panels[-1].xaxis.set_major_formatter(
            self._dates.ConciseDateFormatter(self._dates.AutoDateLocator())
        )
        try:
            figure.savefig(self._path, dpi=DOTS)
        except (OSError, ValueError) as error:
            raise ConfigError(f"--plot {self._path}: {error}") from None

    def _draw(self, panel: Any, found: Found) -> None:
        channel, scope = Channel(found.channel), found.scope
        fleet = self.curves.of("fleet", "", channel)
        own = self.curves.of(scope.kind, scope.key, channel)
        self._line(panel, fleet, "fleet", "0.6")
        if scope.kind != "fleet":
            self._line(panel, own, f"{scope.kind} {scope.key}", "C3")
        ends = [*fleet.times[-1:], found.detected_at]
        end = max(ends) if found.closed_at is None else found.closed_at
        panel.axvspan(_date(found.onset), _date(end), color="C3", alpha=0.12, lw=0)
        panel.axvline(_date(found.detected_at), color="C3", lw=1.0, ls="--")
        panel.axhline(100.0 * found.baseline, color="C0", lw=0.8, ls=":")
        panel.set_ylabel(f"{channel.value} %")
        panel.set_title(
            f"{channel.value} at {scope.kind} {scope.key}: "
            f"{100 * found.rate:.1f} % (normally {100 * found.baseline:.2f} %), "
            f"{found.severity.value}",
            fontsize=9,
            loc="left",
        )
        panel.legend(fontsize=7, loc="upper left")

    def _draw_fleet(self, panel: Any) -> None:
        for number, channel in enumerate(Channel):
            curve = self.curves.of("fleet", "", channel)
            self._line(panel, curve, channel.value, f"C{number}")
        panel.set_ylabel("%")
        panel.set_title("the fleet: no incident", fontsize=9, loc="left")
        panel.legend(fontsize=7, loc="upper left")

    @staticmethod
    def _line(panel: Any, curve: Curve, label: str, color: str) -> None:
        times = [_date(time) for time in curve.times]
        rates = [100.0 * rate for rate in curve.rates]
        panel.plot(times, rates, label=label, color=color, lw=1.1)


def _date(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
