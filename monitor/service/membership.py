"""Faust as we use it: a member of the consumer group, and nothing on the hot path."""

import faust
from aiokafka.errors import KafkaError
from faust.tables.manager import TableManager
from faust.types import TP
from yarl import URL

from monitor.service.ingest import IngestService
from monitor.service.kafka import ssl_context
from monitor.service.settings import Settings, read_secret
from monitor.service.topics import topic_names
from monitor.service.transport import install

#: Commits are checked this often; a checkpoint gets old enough once a slot.
COMMIT_SECONDS = 1.0

#: Record batches, each of one partition, that one fetch hands over at most.
MAX_POLL_BATCHES = 64


class NoTables(TableManager):  # type: ignore[misc]
    """Faust's tables, of which we have none: it need not wait a second for them."""

    async def on_start(self) -> None:
        """Go straight to what assigns partitions."""
        await self._update_channels()
        await self.recovery.start()


class Member(faust.App):  # type: ignore[misc]
    """An app that leaves nothing on the disk, even if it is killed."""

    def _create_directories(self) -> None:
        """Make none of Faust's folders: only tables have something to put there."""


def make_member(settings: Settings, sink: IngestService) -> faust.App:
    """A Faust app that is subscribed to our topics and hands inputs to ``sink``.

    Args:
        settings: group, instance id, brokers, inputs.
        sink: takes the record batches of the input topics.
    """
    kafka = settings.kafka
    app = Member(
        kafka.group_id,
        broker=[URL(f"kafka://{broker}") for broker in kafka.brokers],
        broker_client_id=kafka.client_id,
        broker_credentials=_credentials(settings),
        broker_session_timeout=kafka.session_timeout_seconds,
        broker_heartbeat_interval=kafka.heartbeat_seconds,
        broker_commit_interval=COMMIT_SECONDS,
        broker_max_poll_records=MAX_POLL_BATCHES,
        consumer_group_instance_id=kafka.instance_id or None,
        consumer_auto_offset_reset="earliest",
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
        TableManager=NoTables,
    )
    inputs = [one.topic for one in settings.inputs]
    install(app, sink, inputs)
    for topic in (*inputs, topic_names(settings).commands):
        _subscribe(app, topic)
    app.finalize()
    return app


def _subscribe(app: faust.App, topic: str) -> None:
    """Make the worker a reader of a topic; its records never come this way.

    Batches of the inputs are taken out of the stream before it, and commands are read
    by the owner with offsets of its own: Faust acknowledges a record even when the
    agent that got it failed, which must not happen to an order.
    """
    channel = app.topic(
        topic,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
    )

    async def member(stream: faust.StreamT) -> None:
        async for _ in stream:
            pass

    app.agent(channel, name=f"member-of-{topic}")(member)


def highwater(app: faust.App, tp: TP) -> int | None:
    """The end of a partition's log as of the last fetch, if there was one."""
    try:
        end = app.consumer.highwater(tp)
    except (AssertionError, KafkaError, KeyError):
        # Not assigned at this very moment: a rebalance is under way.
        return None
    return int(end) if end is not None else None


def crash_reason(app: faust.App) -> BaseException | None:
    """What ended Faust."""
    reason: BaseException | None = app.crash_reason
    return reason


def _credentials(settings: Settings) -> object:
    """Faust's form of the security settings; ``None`` for plain text."""
    kafka = settings.kafka
    context = ssl_context(kafka) if kafka.security_protocol.endswith("SSL") else None
    if kafka.sasl_mechanism is not None and kafka.sasl_password_file is not None:
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=read_secret(kafka.sasl_password_file),
            mechanism=kafka.sasl_mechanism.value,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None
