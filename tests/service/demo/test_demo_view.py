import io

import pytest
from rich.console import Console

from monitor.events import Channel
from monitor.service.demo.rates import RateBoard, read_rates
from monitor.service.demo.scene import Scene
from monitor.service.demo.view import LiveView, PlainView, choose_view, draw
from monitor.service.metrics import Metrics
from monitor.service.metrics.scopes import ScopeRow

CHANNELS = tuple(Channel)


def page(**attempts: float) -> str:
    """A metrics page as the worker renders it."""
    metrics = Metrics()
    failing = {Channel.BOUNCE: 0.25, Channel.BLOCK: 0.2, Channel.DEFERRAL: 0.5}
    rows = [
        ScopeRow(
            fleet="default",
            scope=scope,
            key=name,
            window=window,
            attempts=tried,
            delivered=tried / 4,
            counts=tuple(tried * failing.get(channel, 0.0) for channel in CHANNELS),
        )
        for name, tried in attempts.items()
        for window in ("1m", "5m")
        for scope in ("provider", "campaign")
    ]
    metrics.observer.scopes.update("default", rows)
    return metrics.render().decode()


def test_rates_are_read_from_a_real_page() -> None:
    rows = read_rates(page(yahoo=60.0, apple=600.0))
    assert [row.provider for row in rows] == ["apple", "yahoo"]
    assert (rows[0].attempts, rows[0].bounce, rows[0].block, rows[0].deferral) == (
        10.0,
        0.25,
        0.2,
        0.5,
    )
    assert rows[0].failing == 0.75
    assert read_rates("") == []


def test_sparklines_show_the_past_and_stay_short() -> None:
    board = RateBoard()
    for _ in range(100):
        board.update(page(yahoo=60.0))
    board.update("")
    assert board.sparkline("yahoo") == "█" * 24
    assert board.sparkline("nobody") == ""


@pytest.fixture
def scene() -> Scene:
    scene = Scene(phase="live traffic", elapsed=12.0, seconds=90.0, produced=4000)
    scene.rates.update(page(yahoo=60.0))
    return scene


def test_the_live_picture_names_what_matters(scene: Scene) -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(draw(scene))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for word in ("live traffic", "12 of 90 s", "4,000", "yahoo", "25.0%", "none yet"):
        assert word in text


def test_plain_lines_say_each_thing_once(scene: Scene) -> None:
    stream = io.StringIO()
    with PlainView(stream) as view:
        for _ in range(5):
            view.show(scene)
        scene.elapsed = 30.0
        view.show(scene)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert "[ 12.0 s] live traffic" in lines


def test_the_view_fits_the_stream(scene: Scene) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(choose_view(io.StringIO(), plain=False), PlainView)
    assert isinstance(choose_view(Terminal(), plain=True), PlainView)
    stream = Terminal()
    view = choose_view(stream, plain=False)
    assert isinstance(view, LiveView)
    with view:
        view.show(scene)
    assert "live traffic" in stream.getvalue()


def test_texts_of_users_are_not_markup(scene: Scene) -> None:
    scene.phase = "live"
    rows = [row._replace(provider="[red]x[/]") for row in scene.rates.rows]
    scene.rates.rows = rows
    console = Console(file=io.StringIO(), width=100)
    console.print(draw(scene))
    assert isinstance(console.file, io.StringIO)
    assert "[red]x[/]" in console.file.getvalue()
