"""A worker's two doors for Prometheus and Alertmanager, without the worker.

``/metrics`` serves a ``Metrics`` that moves on with every scrape; the webhook keeps
what it was sent. The server is aiohttp's, as in the worker, in a thread of its own.
"""

import asyncio
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web

from monitor.service.metrics import CONTENT_TYPE, Metrics
from tests.tools.sample_metrics import step

START_SECONDS = 30


class Call(NamedTuple):
    """One call of the webhook; ``at`` is of the monotonic clock."""

    at: float
    headers: Mapping[str, str]
    body: dict[str, Any]


class WorkerStub:
    """Serves on a free port of loopback while the context lasts."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.calls: list[Call] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def address(self) -> str:
        """Where it listens, ``host:port``."""
        return f"127.0.0.1:{self.port}"

    @property
    def webhook(self) -> str:
        """The URL that Alertmanager calls."""
        return f"http://{self.address}/api/v1/alerts"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(START_SECONDS), "the stub did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)

    def call_soon(self, change: Any, *arguments: Any) -> None:
        """Change the metrics in the server's thread, so that no scrape sees half."""
        self._loop.call_soon_threadsafe(change, *arguments)

    def _run(self) -> None:
        runner = self._loop.run_until_complete(self._serve())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _serve(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_post("/api/v1/alerts", self._alerts)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def _metrics(self, request: web.Request) -> web.Response:
        step(self.metrics, time.time())  # noqa: TID251 the page of a real worker
        page = self.metrics.render()
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE})

    async def _alerts(self, request: web.Request) -> web.Response:
        call = Call(time.monotonic(), dict(request.headers), await request.json())
        self.calls.append(call)
        return web.Response(status=202)
