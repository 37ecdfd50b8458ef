"""The demo's options, and the settings that follow from them."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from monitor.events import Mode
from monitor.service.embedded import LOOPBACK, free_port
from monitor.service.settings import Settings
from monitor.service.settings_sections import InputSettings, KafkaSettings
from monitor.service.settings_words import refused

#: The worker counts as ready when it is this close to the end of its input.
READY_LAG_RECORDS = 1000


@dataclass(frozen=True)
class DemoOptions:
    """What the user asked for.

    Args:
        seconds: how long live traffic runs; 0 with ``traffic_only``: until stopped.
        rate: new mails a second.
        seed: everything random comes from it.
        broker: ``host:port`` of a Kafka; None starts the embedded one.
        traffic_only: only write to the configured input topic; judge nothing.
        plain: plain lines even on a terminal.
    """

    seconds: float = 90.0
    rate: float = 400.0
    seed: int = 1
    broker: str | None = None
    traffic_only: bool = False
    plain: bool = False


def on_broker(settings: Settings, broker: str) -> Settings:
    """Return the settings with another Kafka.

    Raises:
        ConfigError: ``broker`` is not ``host:port``.
    """
    try:
        checked = KafkaSettings(brokers=(broker,))
    except ValidationError:
        raise refused(f"--broker {broker}: give it as host:port") from None
    kafka = _kafka(settings, brokers=checked.brokers)
    return settings.model_copy(update={"kafka": kafka})


def for_demo(settings: Settings, run: str) -> Settings:
    """Return the settings of one demo run: topics and group of its own, enforcing.

    Args:
        settings: those of the user.
        run: a name that no other run on this broker has.
    """
    kafka = _kafka(
        settings, topic_prefix=f"{run}.", group_id=run, instance_id=f"{run}-worker"
    )
    one = InputSettings(topic=f"{run}.delivery.events", source="canonical")
    http = settings.http.model_copy(update={"host": LOOPBACK, "port": free_port()})
    throttle = settings.throttle.model_copy(update={"mode": Mode.ENFORCE})
    watchdog = settings.watchdog.model_copy(
        update={"ready_lag_records": READY_LAG_RECORDS}
    )
    return settings.model_copy(
        update={
            "kafka": kafka,
            "inputs": (one,),
            "http": http,
            "throttle": throttle,
            "watchdog": watchdog,
            "recipient_key_file": _absolute(settings.recipient_key_file),
        }
    )


def _kafka(settings: Settings, **update: object) -> KafkaSettings:
    kafka = settings.kafka
    files = {
        "sasl_password_file": _absolute(kafka.sasl_password_file),
        "ssl_cafile": _absolute(kafka.ssl_cafile),
    }
    return kafka.model_copy(update=files | update)


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path else None
