"""From settings to what the rooms need: policies, readers of inputs, checked topics."""

import structlog

from monitor.counting import CountingPolicy
from monitor.errors import ConfigError
from monitor.events import Channel
from monitor.observe import ObservePolicy
from monitor.observe.policy import Limit
from monitor.pipeline import FleetPolicy, Ingest, ReadsReplies
from monitor.providers import ProviderMatcher
from monitor.service.ingest import TopicInput
from monitor.service.limit_words import read_limit
from monitor.service.settings import Settings, read_secret
from monitor.service.settings_sections import LimitSettings
from monitor.service.topics import TopicState, check_topics, topic_names
from monitor.sources import SourceOptions, open_source
from monitor.throttle import ThrottlePolicy

log = structlog.get_logger(__name__)


def fleet_policy(settings: Settings) -> FleetPolicy:
    """The policies that the settings ask for.

    Raises:
        ConfigError: they contradict each other.
    """
    counting, observe, throttle = settings.counting, settings.observe, settings.throttle
    return FleetPolicy(
        counting=CountingPolicy(
            slot_seconds=counting.slot_seconds,
            allowed_lateness_seconds=counting.allowed_lateness_seconds,
            future_tolerance_seconds=counting.future_tolerance_seconds,
        ),
        observe=ObservePolicy(
            slot_seconds=counting.slot_seconds,
            false_pages_per_week=observe.false_pages_per_week,
            max_keys=observe.max_scopes,
            dimensions=observe.dimensions,
            detectors=observe.detectors,
            limits=_limits(observe.limits),
        ),
        throttle=ThrottlePolicy(
            mode=throttle.mode,
            lease_seconds=throttle.lease_seconds,
            deny_campaigns=throttle.deny_campaigns,
            max_active_directives=throttle.max_active_directives,
        ),
    )


def _limits(settings: LimitSettings) -> dict[Channel, Limit]:
    """Those that are not off."""
    read = {one: read_limit(getattr(settings, one.value)) for one in Channel}
    return {channel: limit for channel, limit in read.items() if limit is not None}


def topic_inputs(settings: Settings, classifier: ReadsReplies) -> dict[str, TopicInput]:
    """What reads each input topic; they share providers and the classifier's cache."""
    providers = ProviderMatcher.builtin()
    key = settings.recipient_key_file
    recipient_key = read_secret(key).encode() if key else b""
    inputs = {}
    for one in settings.inputs:
        options = SourceOptions(
            campaign=one.campaign,
            tenant=one.tenant,
            segment=one.segment,
            recipient_key=recipient_key,
        )
        decode = open_source(one.source, options)
        inputs[one.topic] = TopicInput(Ingest(decode, providers, classifier), one.fleet)
    return inputs


async def require_topics(settings: Settings) -> None:
    """Refuse to start on topics that would make counts or commands go astray.

    Raises:
        BrokerError: Kafka cannot be reached.
        ConfigError: a topic is missing, or dealt into the wrong number of partitions.
    """
    names = topic_names(settings)
    for report in await check_topics(settings):
        if report.state is TopicState.MISSING:
            raise ConfigError(f"topic {report.name} is missing ({report.detail})")
        if report.state is TopicState.DIFFERS:
            if report.name in (names.counts, names.commands):
                raise ConfigError(f"topic {report.name}: {report.detail}")
            log.warning("topic differs", topic=report.name, detail=report.detail)
