"""The sections of the settings: every field with its unit, bound and meaning."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from monitor.events import SCOPE_DIMENSIONS, Channel, Mode
from monitor.observe.policy import DEFAULT_LIMITS, ObservePolicy
from monitor.service.limit_words import word_limit
from monitor.service.settings_types import (
    DetectorName,
    Dimension,
    FleetName,
    HostPort,
    LimitText,
    LogFormat,
    LogLevel,
    Names,
    SaslMechanism,
    SecurityProtocol,
    SourceName,
    TopicName,
    host_name,
    split_list,
)

#: Kafka drops a member after one session; three heartbeats must fit into it, so that
#: two lost ones do not cost a rebalance.
HEARTBEATS_PER_SESSION = 3


class Section(BaseModel):
    """A table of settings: frozen, and closed to names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _no_booleans(cls, values: object) -> object:
        """Refuse ``port = true``, which would pass for 1."""
        if isinstance(values, dict):
            for name, value in values.items():
                if isinstance(value, bool):
                    raise ValueError(f"{name}: no setting is true or false")
        return values


class KafkaSettings(Section):
    """Where Kafka is and who we are to it."""

    brokers: Annotated[tuple[HostPort, ...], BeforeValidator(split_list)] = Field(
        default=("127.0.0.1:9092",),
        min_length=1,
        description="bootstrap servers, `host:port`",
    )
    security_protocol: SecurityProtocol = Field(
        default=SecurityProtocol.PLAINTEXT, description="how the connection is secured"
    )
    sasl_mechanism: SaslMechanism | None = Field(
        default=None, description="log-in method of the `SASL_*` protocols"
    )
    sasl_username: str = Field(default="", max_length=200, description="SASL user")
    sasl_password_file: Path | None = Field(
        default=None, description="file that holds the SASL password"
    )
    ssl_cafile: Path | None = Field(
        default=None,
        description="PEM file of the authorities to trust; else the system's",
    )
    client_id: TopicName = Field(
        default="bouncemon", description="name in the broker's logs"
    )
    group_id: TopicName = Field(
        default="bouncemon",
        description="consumer group; workers of one group share the work",
    )
    instance_id: TopicName = Field(
        default_factory=host_name,
        description="stable id of this worker (static membership); unique in the "
        "group; default: the host name",
    )
    session_timeout_seconds: float = Field(
        default=6.0, ge=1, le=300, description="a worker silent for so long has died"
    )
    heartbeat_seconds: float = Field(
        default=2.0, ge=0.1, le=60, description="pause between two signs of life"
    )
    wait_seconds: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="how long to wait for Kafka at the start",
    )
    topic_prefix: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,40}$")
    ] = Field(default="", description="put before the name of every topic of our own")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (
            self.heartbeat_seconds * HEARTBEATS_PER_SESSION
            > self.session_timeout_seconds
        ):
            raise ValueError(
                "heartbeat_seconds must be at most a third of session_timeout_seconds "
                f"({self.session_timeout_seconds:g})"
            )
        if self.security_protocol.startswith("SASL") != bool(self.sasl_mechanism):
            raise ValueError(
                "a SASL_* security_protocol and sasl_mechanism go together"
            )
        if self.sasl_mechanism and not (self.sasl_username and self.sasl_password_file):
            raise ValueError(
                "sasl_mechanism needs sasl_username and sasl_password_file"
            )
        return self


class InputSettings(Section):
    """One topic of delivery events."""

    topic: TopicName = Field(description="Kafka topic to read")
    source: SourceName = Field(description="format of its records")
    fleet: FleetName = Field(
        default="default", description="senders that share IPs; judged together"
    )
    partitions: int = Field(
        default=4,
        ge=1,
        le=1024,
        description="partitions if `topics create` makes the topic",
    )
    campaign: str = Field(
        default="", max_length=200, description="path of the campaign in a record"
    )
    tenant: str = Field(
        default="", max_length=200, description="path of the tenant in a record"
    )
    segment: str = Field(
        default="", max_length=200, description="path of a free tag in a record"
    )


class CountingSettings(Section):
    """Slots of event time."""

    slot_seconds: int = Field(default=10, ge=1, le=300, description="length of a slot")
    allowed_lateness_seconds: int = Field(
        default=600,
        ge=10,
        le=86_400,
        description="older events, against their Kafka timestamp, are *late*; "
        "a multiple of `slot_seconds`",
    )
    future_tolerance_seconds: int = Field(
        default=60, ge=0, le=86_400, description="event times further ahead are clamped"
    )
    flush_milliseconds: int = Field(
        default=250, ge=10, le=60_000, description="pause between two writes of tallies"
    )

    @model_validator(mode="after")
    def _whole_slots(self) -> Self:
        if self.allowed_lateness_seconds % self.slot_seconds:
            raise ValueError(
                "allowed_lateness_seconds must be a multiple of slot_seconds "
                f"({self.slot_seconds})"
            )
        return self


class TopicSettings(Section):
    """How ``topics create`` makes topics of our own."""

    counts_partitions: int = Field(
        default=4, ge=1, le=1024, description="partitions of `bounce.counts`"
    )
    commands_partitions: int = Field(
        default=4, ge=1, le=1024, description="partitions of `bounce.commands`"
    )
    counts_retention_hours: int = Field(
        default=48, ge=2, le=8760, description="how long exact counts can be read back"
    )
    replication_factor: int = Field(
        default=1, ge=1, le=9, description="copies of each topic; 3 in production"
    )


def _limit(channel: Channel) -> str:
    return word_limit(DEFAULT_LIMITS.get(channel))


class LimitSettings(Section):
    """Rates that are too high whatever is normal: for a ticket and for a page."""

    hard: LimitText = Field(
        default=_limit(Channel.HARD),
        description="bad addresses: ticket at the first rate, page at the second, or "
        "`off`",
    )
    block: LimitText = Field(
        default=_limit(Channel.BLOCK), description="reputation and policy, likewise"
    )
    config: LimitText = Field(
        default=_limit(Channel.CONFIG), description="faults of our own set-up, likewise"
    )
    technical: LimitText = Field(
        default=_limit(Channel.TECHNICAL), description="other final failures, likewise"
    )
    deferral: LimitText = Field(
        default=_limit(Channel.DEFERRAL), description="deferrals, likewise"
    )
    complaint: LimitText = Field(
        default=_limit(Channel.COMPLAINT),
        description="complaints of what was delivered, likewise",
    )
    bounce: LimitText = Field(
        default=_limit(Channel.BOUNCE), description="all final failures, likewise"
    )


assert set(LimitSettings.model_fields) == set(Channel), "a limit for each channel"


class ObserveSettings(Section):
    """When a rate is a spike."""

    false_pages_per_week: float = Field(
        default=1.0, gt=0, le=10_000, description="false pages to accept, whole fleet"
    )
    top_scopes: int = Field(
        default=50,
        ge=1,
        le=2000,
        description="heaviest scopes a kind shown on `/metrics`",
    )
    snapshot_seconds: float = Field(
        default=30.0, ge=1, le=3600, description="pause between two snapshots"
    )
    dimensions: Annotated[tuple[Dimension, ...], BeforeValidator(split_list)] = Field(
        default=SCOPE_DIMENSIONS, min_length=1, description="dimensions to roll up by"
    )
    detectors: Annotated[tuple[DetectorName, ...], BeforeValidator(split_list)] = Field(
        default=ObservePolicy().detectors, min_length=1, description="rules that run"
    )
    limits: LimitSettings = LimitSettings()
    max_scopes: int = Field(
        default=100_000,
        ge=100,
        le=2_000_000,
        description="scopes kept; then the idlest go",
    )


class ClassifySettings(Section):
    """How replies are read."""

    rules: Path | None = Field(
        default=None,
        description="TOML file of rules of your own, tried before the built-in ones; "
        "read again when it changes",
    )


class ThrottleSettings(Section):
    """How far automation may go."""

    mode: Mode = Field(
        default=Mode.OBSERVE, description="say it, propose it, or do it (enforce)"
    )
    lease_seconds: float = Field(
        default=300.0,
        ge=180,
        le=3_600,
        description="a directive not renewed ends by itself",
    )
    deny_campaigns: Names = Field(
        default=(),
        description="campaigns never to be slowed or paused (transactional mail)",
    )
    max_active_directives: int = Field(
        default=20,
        ge=0,
        le=10_000,
        description="at so many at once, automation pauses nothing new",
    )


class HttpSettings(Section):
    """The worker's own server."""

    host: str = Field(
        default="127.0.0.1", min_length=1, description="address to listen on"
    )
    port: int = Field(
        default=8080, ge=0, le=65_535, description="port; 0: any free one"
    )
    webhook_token_file: Path | None = Field(
        default=None,
        description="file with the bearer tokens (one a line) of the Alertmanager "
        "webhook; without it the webhook is off",
    )
    read_token_file: Path | None = Field(
        default=None,
        description="file with the bearer tokens (one a line) for reading "
        "`/api/v1/templates`; without it that page is off",
    )


class DeadletterSettings(Section):
    """What is kept of records that could not be read."""

    per_reason_per_minute: int = Field(
        default=60,
        ge=0,
        le=100_000,
        description="records kept; the rest are only counted",
    )
    max_bytes: int = Field(
        default=10_000, ge=100, le=900_000, description="longer records are cut"
    )


class WatchdogSettings(Section):
    """When the worker calls itself ill."""

    stall_seconds: float = Field(
        default=30.0,
        ge=5,
        le=3600,
        description="no progress with input waiting: exit 4",
    )
    commit_stall_seconds: float = Field(
        default=300.0,
        ge=5,
        le=3600,
        description="an offset that may be committed waits for so long: exit 4; counts "
        "stay exact meanwhile",
    )
    ready_lag_records: int = Field(
        default=100_000, ge=0, le=10**9, description="more lag than this: not ready"
    )
    ready_progress_seconds: float = Field(
        default=30.0, ge=1, le=3600, description="no progress for so long: not ready"
    )


class LogSettings(Section):
    """Lines on standard error."""

    level: LogLevel = Field(
        default=LogLevel.INFO, description="least severe line written"
    )
    format: LogFormat = Field(
        default=LogFormat.JSON, description="for machines or for people"
    )
