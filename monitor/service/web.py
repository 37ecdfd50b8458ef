"""The worker's own HTTP server: metrics, health, templates, Alertmanager's webhook.

Faust's web server is not used: it shows everything to everyone and renders metrics in
the event loop in seconds. Deny by default: a route that changes anything, or shows what
receivers said, needs a bearer token, and without a token file it does not exist. Who
may read may not order: the two have files of their own.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import structlog
from aiohttp import web

from monitor.events import Command
from monitor.service import clock
from monitor.service.alertmanager import WebhookPolicy, parse_alerts
from monitor.service.codecs import VERSION
from monitor.service.health import Health
from monitor.service.live_classifier import LiveClassifier
from monitor.service.metrics import CONTENT_TYPE, Metrics, WebhookResult
from monitor.service.settings import read_secret
from monitor.service.settings_sections import HttpSettings

log = structlog.get_logger(__name__)

#: Alertmanager's notifications are far smaller; see ``alertmanager``.
MAX_BODY_BYTES = 1024 * 1024

#: Bearer tokens that may be valid at once: the old and the new one while they rotate.
MAX_TOKENS = 2

#: Templates shown when the reader does not say, and at most.
DEFAULT_TEMPLATES, MAX_TEMPLATES = 50, 500

SendCommand = Callable[[Command], Awaitable[None]]


class WebServer:
    """Serves one worker.

    Args:
        settings: address, port and the token files.
        metrics: what ``/metrics`` shows.
        health: what ``/readyz`` asks.
        send: where commands of the webhook go; returns when they are written.
        live: whose undetermined templates ``/api/v1/templates`` shows.
    """

    def __init__(
        self,
        settings: HttpSettings,
        metrics: Metrics,
        health: Health,
        send: SendCommand,
        live: LiveClassifier,
    ) -> None:
        self.port = settings.port
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._send = send
        self._live = live
        self._policy = WebhookPolicy()
        self._tokens = _tokens_in(settings.webhook_token_file)
        self._read_tokens = _tokens_in(settings.read_token_file)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; ``port`` is the real one afterwards."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/healthz", self._serve_health)
        app.router.add_get("/readyz", self._serve_ready)
        if self._tokens:
            app.router.add_post("/api/v1/alerts", self._take_alerts)
        if self._read_tokens:
            app.router.add_get("/api/v1/templates", self._serve_templates)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.host, self._settings.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        log.info("listening", host=self._settings.host, port=self.port)

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        page = await asyncio.to_thread(self._metrics.render)
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE})

    async def _serve_health(self, _: web.Request) -> web.Response:
        """Alive: the loop runs and nothing stands still for good."""
        why = self._health.stalled()
        return web.Response(status=503 if why else 200, text=f"{why or 'ok'}\n")

    async def _serve_ready(self, _: web.Request) -> web.Response:
        why = self._health.not_ready()
        return web.Response(status=503 if why else 200, text=f"{why or 'ready'}\n")

    async def _take_alerts(self, request: web.Request) -> web.Response:
        if not _authorized(request, self._tokens):
            self._count(WebhookResult.UNAUTHORIZED)
            return _unauthorized()
        alerts = parse_alerts(await request.read(), self._policy, clock.now())
        if alerts.error is not None:
            self._count(WebhookResult.INVALID)
            log.warning("webhook refused", why=alerts.error)
            return web.Response(status=400, text=f"{alerts.error}\n")
        for problem in alerts.problems:
            log.warning("alert ignored", why=problem)
        for command in alerts.commands:
            await self._send(command)
        self._count(
            WebhookResult.ACCEPTED if alerts.commands else WebhookResult.IGNORED
        )
        return web.json_response({"commands": len(alerts.commands)})

    async def _serve_templates(self, request: web.Request) -> web.Response:
        """What this worker could not understand, most frequent first, scrubbed."""
        if not _authorized(request, self._read_tokens):
            return _unauthorized()
        asked = request.query.get("limit", str(DEFAULT_TEMPLATES))
        plain = asked.isascii() and asked.isdigit() and len(asked) <= len("500")
        limit = int(asked) if plain else 0
        if not 1 <= limit <= MAX_TEMPLATES:
            return web.Response(
                status=400, text=f"limit must be 1 to {MAX_TEMPLATES}\n"
            )
        templates = self._live.templates
        page = {
            "v": VERSION,
            "since": templates.since,
            "held": len(templates),
            "templates": templates.top(limit),
        }
        return web.Response(
            body=msgspec.json.encode(page),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    def _count(self, result: WebhookResult) -> None:
        self._metrics.throttle.webhook_requests.labels(result).inc()


def _authorized(request: web.Request, tokens: Sequence[str]) -> bool:
    given = request.headers.get("Authorization", "").encode()
    wanted = [f"Bearer {token}".encode() for token in tokens]
    # Every token is compared, in constant time, whichever one matches.
    return sum(hmac.compare_digest(given, one) for one in wanted) > 0


def _unauthorized() -> web.Response:
    return web.Response(status=401, text="a valid bearer token is needed\n")


def _tokens_in(file: Path | None) -> Sequence[str]:
    if file is None:
        return ()
    return read_secret(file).split()[:MAX_TOKENS]
