"""Settings: defaults, then a TOML file, then the environment; each checked once.

``bouncemon.toml`` holds sections (``[kafka]``, ``[[inputs]]``); a variable such as
``BOUNCEMON_COUNTING__SLOT_SECONDS=5`` wins over the file. An empty variable counts as
not set. Secrets are never settings: a setting names the *file* that holds one, so
nothing here needs to be hidden when it is shown.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from monitor.service.settings_sections import (
    ClassifySettings,
    CountingSettings,
    DeadletterSettings,
    HttpSettings,
    InputSettings,
    KafkaSettings,
    LogSettings,
    ObserveSettings,
    ThrottleSettings,
    TopicSettings,
    WatchdogSettings,
)
from monitor.service.settings_types import from_json
from monitor.service.settings_words import dotted, nearest, refused, word_faults

#: Read from the working directory when no other file is named; may be absent.
DEFAULT_FILE = Path("bouncemon.toml")

#: Names the settings file when ``--config`` does not.
FILE_VARIABLE = "BOUNCEMON_CONFIG"

ENV_PREFIX = "BOUNCEMON_"

#: A secret is a password, a token or a key; a bigger file is the wrong file.
MAX_SECRET_BYTES = 8192


DEFAULT_INPUTS = (InputSettings(topic="delivery.events", source="canonical"),)


class Settings(BaseSettings):
    """All settings of one process; build with ``load_settings``."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,
    )

    kafka: KafkaSettings = KafkaSettings()
    inputs: Annotated[tuple[InputSettings, ...], BeforeValidator(from_json)] = Field(
        default=DEFAULT_INPUTS, min_length=1, max_length=64
    )
    recipient_key_file: Path | None = Field(
        default=None,
        description="file with the key for hashing recipients; without it "
        "no recipient hash is made",
    )
    classify: ClassifySettings = ClassifySettings()
    counting: CountingSettings = CountingSettings()
    topics: TopicSettings = TopicSettings()
    observe: ObserveSettings = ObserveSettings()
    throttle: ThrottleSettings = ThrottleSettings()
    http: HttpSettings = HttpSettings()
    deadletter: DeadletterSettings = DeadletterSettings()
    watchdog: WatchdogSettings = WatchdogSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take given values only; ``load_settings`` alone reads the environment."""
        return (init_settings,)

    @model_validator(mode="after")
    def _distinct_inputs(self) -> Self:
        topics = [one.topic for one in self.inputs]
        for topic in topics:
            if topics.count(topic) > 1:
                raise ValueError(f"inputs: topic {topic} is named twice")
        return self


def load_settings(config: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the file, then the environment, and check everything once.

    Args:
        config: the TOML file; None: the one that ``BOUNCEMON_CONFIG`` names, else
            ``bouncemon.toml`` if there is one.
        environ: the environment.

    Raises:
        ConfigError: one line that says where, what was given and what is allowed.
    """
    file = config or _named_file(environ)
    from_file = _read_toml(file) if file else {}
    from_environ, places = _read_environ(environ)
    try:
        return Settings(**_merge(from_file, from_environ))
    except ValidationError as error:
        name = str(file or DEFAULT_FILE)
        raise refused(word_faults(Settings, error, places, name)) from None


def read_secret(path: Path) -> str:
    """Return the text of a secret's file without white space around it.

    Raises:
        ConfigError: the file cannot be read, is empty or is no secret.
    """
    try:
        with path.open("rb") as file:
            secret = file.read(MAX_SECRET_BYTES + 1)
        text = secret.decode().strip()
    except OSError as error:
        raise refused(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise refused(f"{path}: a secret's file must be UTF-8 text") from None
    if not text or len(secret) > MAX_SECRET_BYTES:
        raise refused(f"{path}: must hold 1 to {MAX_SECRET_BYTES} bytes of text")
    return text


def _named_file(environ: Mapping[str, str]) -> Path | None:
    named = environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise refused(f"{file}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise refused(f"{file}: is not TOML: {error}") from None


def _read_environ(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the settings in the environment, and the variable behind each."""
    places = {}
    for name, value in environ.items():
        if not name.startswith(ENV_PREFIX) or name == FILE_VARIABLE or not value:
            continue
        path = name.removeprefix(ENV_PREFIX).lower().split("__")
        if path[0] not in Settings.model_fields:
            hint = nearest(path[0], list(Settings.model_fields))
            raise refused(f"{name} is not a setting; {hint}")
        places[dotted(tuple(path))] = name
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): environ[name] for name in places.values()}
    return source(), places


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged
