"""The topics of our own: names, partitions, clean-up; making and checking them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from zlib import crc32

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from monitor.errors import BrokerError
from monitor.service.kafka import MAX_TALLY_BYTES, admin_client
from monitor.service.settings import Settings

HOUR_MILLISECONDS = 3_600_000

#: Records of tombstones, superseded directives and old snapshots go after this long.
COMPACTION_LAG_MILLISECONDS = 10 * 60 * 1000


class TopicState(StrEnum):
    """What ``create_topics`` and ``check_topics`` found."""

    CREATED = "created"
    OK = "ok"
    DIFFERS = "differs"
    MISSING = "missing"


class TopicReport(NamedTuple):
    """One topic, and what is to be said of it."""

    name: str
    state: TopicState
    detail: str


@dataclass(frozen=True)
class TopicNames:
    """Full names of our topics, prefix included."""

    counts: str
    snapshots: str
    incidents: str
    commands: str
    recipients: str
    deadletter: str
    audit: str
    directives: str
    acks: str


def topic_names(settings: Settings) -> TopicNames:
    """Our topics' names under the configured prefix."""
    prefix = settings.kafka.topic_prefix
    return TopicNames(
        counts=f"{prefix}bounce.counts",
        snapshots=f"{prefix}bounce.snapshots",
        incidents=f"{prefix}bounce.incidents",
        commands=f"{prefix}bounce.commands",
        recipients=f"{prefix}bounce.recipients",
        deadletter=f"{prefix}bounce.deadletter",
        audit=f"{prefix}bounce.audit",
        directives=f"{prefix}throttle.directives",
        acks=f"{prefix}throttle.acks",
    )


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key; the same in every process and version."""
    return crc32(key.encode()) % partitions


class _Wanted(NamedTuple):
    partitions: int
    config: Mapping[str, str]


def _wanted(settings: Settings) -> dict[str, _Wanted]:
    """Every topic with its partition count and configuration."""
    names, topics = topic_names(settings), settings.topics
    hours = topics.counts_retention_hours
    kept = {"cleanup.policy": "delete"}
    counts = kept | {
        "retention.ms": str(hours * HOUR_MILLISECONDS),
        "max.message.bytes": str(MAX_TALLY_BYTES),
    }
    week = kept | {"retention.ms": str(7 * 24 * HOUR_MILLISECONDS)}
    year = kept | {"retention.ms": str(365 * 24 * HOUR_MILLISECONDS)}
    compacted = {"cleanup.policy": "compact"}
    latest = {
        "cleanup.policy": "compact,delete",
        "retention.ms": str(14 * 24 * HOUR_MILLISECONDS),
    }
    return {
        # Not compacted: compaction could keep a zombie's late, shorter prefix.
        names.counts: _Wanted(topics.counts_partitions, counts),
        names.snapshots: _Wanted(1, compacted),
        names.incidents: _Wanted(1, week),
        names.commands: _Wanted(topics.commands_partitions, week),
        names.recipients: _Wanted(topics.counts_partitions, latest),
        names.deadletter: _Wanted(1, latest),
        names.audit: _Wanted(1, year),
        names.directives: _Wanted(1, compacted),
        names.acks: _Wanted(1, week),
        **{one.topic: _Wanted(one.partitions, {}) for one in settings.inputs},
    }


async def create_topics(settings: Settings) -> list[TopicReport]:
    """Make the topics that are missing, and check the others.

    Raises:
        BrokerError: Kafka cannot be reached, or refuses.
    """
    async with admin_client(settings.kafka) as admin:
        # Ask before describing: the embedded broker creates what it is asked about.
        there = set(await admin.list_topics())
        made = []
        wanted = _wanted(settings)
        for name, want in wanted.items():
            replication = settings.topics.replication_factor
            if name not in there and await _create(admin, name, want, replication):
                made.append(name)
        old = {name: want for name, want in wanted.items() if name not in made}
        reports = [
            TopicReport(
                name, TopicState.CREATED, f"{wanted[name].partitions} partitions"
            )
            for name in made
        ]
        return reports + await _check(admin, old)


async def check_topics(settings: Settings) -> list[TopicReport]:
    """Compare the topics with what they should be; changes nothing.

    Raises:
        BrokerError: Kafka cannot be reached.
    """
    async with admin_client(settings.kafka) as admin:
        there = set(await admin.list_topics())
        wanted = _wanted(settings)
        absent = [
            TopicReport(name, TopicState.MISSING, "run: bouncemon topics create")
            for name in wanted
            if name not in there
        ]
        old = {name: want for name, want in wanted.items() if name in there}
        return absent + await _check(admin, old)


async def _create(
    admin: AIOKafkaAdminClient, name: str, want: _Wanted, replication: int
) -> bool:
    """Make a topic; false if it was there, which a list may hide for a moment."""
    config = dict(want.config)
    topic = NewTopic(name, want.partitions, replication, topic_configs=config)
    response = await admin.create_topics([topic])
    code, message = response.topic_errors[0][1], response.topic_errors[0][-1]
    error = for_code(code)
    if code and error is not TopicAlreadyExistsError:
        raise BrokerError(f"topic {name}: {error.__name__}: {message}")
    return not code


async def _check(
    admin: AIOKafkaAdminClient, wanted: Mapping[str, _Wanted]
) -> list[TopicReport]:
    if not wanted:
        return []
    described = {
        one["topic"]: len(one["partitions"])
        for one in await admin.describe_topics(list(wanted))
    }
    configs = await _configs(admin, list(wanted))
    reports = []
    for name, want in wanted.items():
        faults = [
            f"{key} is {configs[name].get(key)}, should be {value}"
            for key, value in want.config.items()
            if name in configs and not _same(configs[name].get(key), value)
        ]
        if described.get(name) != want.partitions:
            faults.insert(
                0, f"{described.get(name)} partitions, settings say {want.partitions}"
            )
        state = TopicState.DIFFERS if faults else TopicState.OK
        detail = "; ".join(faults) or f"{want.partitions} partitions"
        reports.append(TopicReport(name, state, detail))
    return reports


def _same(have: str | None, want: str) -> bool:
    """Equal as lists of words, in any order; a broker may leave a value out."""
    return have is None or set(have.split(",")) == set(want.split(","))


async def _configs(
    admin: AIOKafkaAdminClient, names: list[str]
) -> dict[str, dict[str, str]]:
    """Topic configurations by name; empty where the broker tells none."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for resource in response.resources:
            _error, _message, _type, name, entries = resource[:5]
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
