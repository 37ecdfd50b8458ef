"""``bouncemon demo``: see it work, without a Kafka of one's own."""

import asyncio
import secrets
import sys
from contextlib import ExitStack
from typing import Annotated

import msgspec
import typer

from monitor.service.cli_exits import ExitCode
from monitor.service.cli_options import ConfigOption, settings_from
from monitor.service.demo.runner import Demo
from monitor.service.demo.setup import DemoOptions, for_demo, on_broker
from monitor.service.demo.traffic import Traffic
from monitor.service.demo.view import choose_view
from monitor.service.embedded import EmbeddedBroker, sigterm_as_ctrl_c
from monitor.service.settings import Settings

SecondsOption = Annotated[
    float, typer.Option(min=0, max=86_400, help="Seconds of live traffic.")
]
RateOption = Annotated[float, typer.Option(min=1, max=20_000, help="Mails a second.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the traffic model.")]
BrokerOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="A real Kafka; else a small broker is started for the demo.",
        show_default=False,
    ),
]
TrafficOption = Annotated[
    bool,
    typer.Option(
        "--traffic-only",
        help="Only write traffic to the first configured input; --seconds 0: for ever.",
    ),
]
PlainOption = Annotated[
    bool, typer.Option("--plain", help="Plain lines even on a terminal.")
]


def demo(
    seconds: SecondsOption = 90.0,
    rate: RateOption = 400.0,
    seed: SeedOption = 1,
    broker: BrokerOption = None,
    traffic_only: TrafficOption = False,
    plain: PlainOption = False,
    config: ConfigOption = None,
) -> None:
    """Watch three incidents happen, be found and be throttled; then check the counts.

    Starts a broker and a worker, writes twenty minutes of history at once and live
    traffic after it, and ends by itself with one line of JSON on standard output. Exit
    status 1 if an incident was missed or made up, if the wrong traffic was throttled,
    or if the counts are not exactly what was sent.
    """
    options = DemoOptions(seconds, rate, seed, broker, traffic_only, plain)
    if not seconds and not traffic_only:
        raise typer.BadParameter("--seconds 0 (for ever) needs --traffic-only")
    settings = settings_from(config)
    if broker:
        settings = on_broker(settings, broker)
    if traffic_only:
        _run_traffic(options, settings)
    else:
        _run_demo(options, settings)


def _run_traffic(options: DemoOptions, settings: Settings) -> None:
    with choose_view(sys.stderr, options.plain) as view:
        report = asyncio.run(Traffic(options, settings, view).run())
    typer.echo(msgspec.json.encode(report))


def _run_demo(options: DemoOptions, settings: Settings) -> None:
    sigterm_as_ctrl_c()
    with ExitStack() as stack:
        if not options.broker:
            started = stack.enter_context(EmbeddedBroker())
            settings = on_broker(settings, started.address)
        settings = for_demo(settings, f"demo-{secrets.token_hex(4)}")
        view = stack.enter_context(choose_view(sys.stderr, options.plain))
        report = asyncio.run(Demo(options, settings, view).run())
    typer.echo(msgspec.json.encode(report))
    for problem in report.problems:
        typer.echo(f"bouncemon: demo: {problem}", err=True)
    if not report.ok:
        raise typer.Exit(ExitCode.FAILED)
