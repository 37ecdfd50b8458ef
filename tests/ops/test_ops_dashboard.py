"""The committed dashboard: generated, well-formed, and about metrics that exist."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from dashboards.build import main
from monitor.events import Channel
from monitor.service.metrics import WINDOWS
from tests.tools.dashboard_queries import (
    OVERVIEW,
    PanelQuery,
    dashboard_queries,
    load_dashboard,
    panels,
)
from tests.tools.known_names import unknown_names
from tests.tools.promql_names import names_in

DASHBOARD = load_dashboard()
PANELS = list(panels(DASHBOARD))
QUERIES = dashboard_queries()
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

#: Units of Grafana's list that we use.
UNITS = {"short", "percentunit", "s", "eps", "recps", "ops", "bytes"}

COUNTER_FUNCTIONS = {"rate", "increase", "irate"}


def variable(name: str) -> dict[str, Any]:
    found = DASHBOARD["templating"]["list"]
    return next(one for one in found if one["name"] == name)


def test_building_again_gives_the_committed_file(tmp_path: Path) -> None:
    again = tmp_path / "overview.json"
    main([str(again)])
    assert again.read_bytes() == OVERVIEW.read_bytes()


def test_it_is_classic_and_read_only() -> None:
    assert 39 <= DASHBOARD["schemaVersion"] <= 42
    assert DASHBOARD["editable"] is False
    assert 0 < len(DASHBOARD["uid"]) <= 40
    assert not {"id", "version", "iteration"} & DASHBOARD.keys()


def test_ids_are_unique() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_panel_says_what_it_is(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    references = [target["refId"] for target in panel["targets"]]
    assert len(references) == len(set(references)) > 0
    for holder in (panel, *panel["targets"]):
        assert holder["datasource"] == SOURCE


def test_nothing_overlaps_and_nothing_sticks_out() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


def test_tables_are_wide_enough_to_read() -> None:
    tables = [panel for panel in PANELS if panel["type"] == "table"]
    assert tables
    assert min(panel["gridPos"]["w"] for panel in tables) >= 8


def test_variables_offer_what_the_metrics_have() -> None:
    names = [one["name"] for one in DASHBOARD["templating"]["list"]]
    assert names == ["datasource", "fleet", "window", "channel"]
    assert variable("datasource")["type"] == "datasource"
    assert variable("fleet")["definition"] == "label_values(bouncemon_owner, fleet)"
    assert {one["value"] for one in variable("window")["options"]} == set(WINDOWS)
    assert {one["value"] for one in variable("channel")["options"]} == set(Channel)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.title)
def test_queries_name_metrics_and_labels_that_exist(query: PanelQuery) -> None:
    assert unknown_names(query.expr()) == []


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.title)
def test_counters_are_asked_for_rates_over_grafanas_interval(
    query: PanelQuery,
) -> None:
    names = names_in(query.expr())
    counters = {one.metric for one in names.selected if one.metric.endswith("_total")}
    if counters - {"bouncemon_log_gaps_total"}:
        assert names.functions & COUNTER_FUNCTIONS
    if names.functions & COUNTER_FUNCTIONS:
        assert "[$__rate_interval]" in query.raw or "[$__range]" in query.raw


def test_an_unknown_metric_or_label_would_be_found() -> None:
    assert unknown_names("sum(bouncemon_nothing)") == ["bouncemon_nothing"]
    assert unknown_names('bouncemon_ready{fleet="a"}') == ["bouncemon_ready{fleet}"]
    assert unknown_names('bouncemon_events_total{outcome="sent"}') == [
        'bouncemon_events_total{outcome="sent"}'
    ]
    assert unknown_names("sum by (key) (bouncemon_ready)") == ["by (key)"]


def test_provisioning_names_the_folder_that_compose_mounts(root: Path) -> None:
    folder = root / "dashboards" / "provisioning"
    provider = (folder / "dashboards" / "bouncemon.yml").read_text(encoding="utf-8")
    compose = (root / "docker-compose.yml").read_text(encoding="utf-8")
    assert "path: /etc/grafana/dashboards\n" in provider
    assert "allowUiUpdates: false" in provider
    assert "overview.json:/etc/grafana/dashboards/overview.json:ro" in compose
    source = (folder / "datasources" / "prometheus.yml").read_text(encoding="utf-8")
    scrape = (root / "alerts" / "prometheus.yml").read_text(encoding="utf-8")
    assert "timeInterval: 5s" in source
    assert "scrape_interval: 5s" in scrape


def test_the_file_is_plain_json_with_an_end_of_line() -> None:
    text = OVERVIEW.read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert json.loads(text)["title"] == "bouncemon: overview"
