import pytest

from monitor.errors import ConfigError
from monitor.sources import SOURCES, SourceOptions, open_source
from monitor.sources.options import MAX_KEY_BYTES, Labels, look_up, parse_path


def test_the_sources_there_are() -> None:
    assert set(SOURCES) == {"canonical", "kumomta", "ses", "sendgrid", "mailgun"}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("kumo", "kumomta"), ("SES", "ses"), ("send-grid", "sendgrid"), ("", "")],
)
def test_an_unknown_source_names_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{right}"):
        open_source(wrong)


def test_unlike_any_name_still_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="unknown source"):
        open_source("§" * 1_000)


@pytest.mark.parametrize(
    "path", [".", "a.", ".a", "a..b", " a", "a. b", "a.b\n", "1.2.3.4.5.6.7.8.9"]
)
@pytest.mark.parametrize("label", ["campaign", "tenant", "segment"])
def test_a_malformed_path_is_a_config_error(source: str, label: str, path: str) -> None:
    options = SourceOptions(**{label: path})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"{label} path"):
        open_source(source, options)


def test_a_key_that_the_hash_would_refuse_is_a_config_error(source: str) -> None:
    open_source(source, SourceOptions(recipient_key=b"k" * MAX_KEY_BYTES))
    with pytest.raises(ConfigError, match="recipient key"):
        open_source(source, SourceOptions(recipient_key=b"k" * (MAX_KEY_BYTES + 1)))


def test_the_key_is_not_shown() -> None:
    assert "hunter2" not in repr(SourceOptions(recipient_key=b"hunter2"))


def test_paths_lead_to_scalars_only() -> None:
    tree = {"a": {"b": ["x", {"c": 7}]}, "t": True, "n": None, "e": [], "l": [[1]]}
    found = {
        path: look_up(tree, parse_path("campaign", path))
        for path in ("a.b.0", "a.b.1.c", "a.b", "t", "a", "n", "e", "l", "a.b.9")
    }
    assert found == {
        "a.b.0": "x",
        "a.b.1.c": 7,
        "a.b": "x",  # a list stands for its first element
        "t": True,
        "a": None,
        "n": None,
        "e": None,
        "l": None,
        "a.b.9": None,
    }
    assert look_up(tree, ("a", "b", "-1")) is None
    assert look_up(tree, ("a", "b", "²")) is None
    assert look_up(tree, ("t", "x")) is None


def test_labels_take_the_default_only_where_no_path_is_set() -> None:
    labels = Labels(SourceOptions(campaign="x.y"))
    tree = labels.tree(b'{"x": {"y": "mine"}}')
    assert labels.of(tree, "default", "owner", "tag") == ("mine", "owner", "tag")
    assert labels.of(labels.tree(b"{}"), "default", None) == ("", "", "")
    assert Labels(SourceOptions()).tree(b"not even JSON") is None


@pytest.mark.parametrize(
    ("source_name", "path"),
    [
        ("canonical", "extra.list"),
        ("kumomta", "meta.list"),
        ("ses", "mail.tags.list.0"),
        ("ses", "mail.tags.list"),
        ("sendgrid", "list"),
        ("mailgun", "user-variables.list"),
        ("mailgun form", "list"),
        ("mailgun form", "list.0"),
    ],
)
def test_paths_into_the_records_of_every_source(
    good_records: dict[str, bytes], source_name: str, path: str
) -> None:
    raw = good_records[source_name]
    if source_name == "canonical":
        raw = raw[:-1] + b', "extra": {"list": "nl"}}'
    options = SourceOptions(campaign=path, tenant=path, segment=path)
    (event,) = open_source(source_name.split()[0], options)(raw).events
    assert (event.campaign, event.tenant, event.segment) == ("nl", "nl", "nl")
