"""Metrics, alerts and the dashboard name only what there is, and the reference names all of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT, page
from tests.support.metrics import Metric, known_metrics

FOLDER = ROOT / "deploy/observability"
NAME = re.compile(r"\b(?:coremachine|process)_\w+")
SELECTOR = re.compile(r"(?P<name>[a-z_]+)\{(?P<matchers>[^{}]*(?:\"[^\"]*\"[^{}]*)*)\}")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"[^\"]*\"")
GROUPED = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
ANY_METRIC = frozenset({"instance", "job", "le"})
"""What Prometheus adds, and the bound of a histogram's bucket."""
FUNCTIONS = {
    *("absent", "max", "sum", "rate", "increase", "histogram_quantile"),
    *("by", "on", "unless", "or", "and"),
}
KNOWN = known_metrics()


def alerts() -> list[dict[str, Any]]:
    document = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return json.loads((FOLDER / "grafana-dashboard.json").read_text())["panels"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def metric_of(name: str) -> Metric | None:
    """A histogram is asked by its parts."""
    whole = re.sub(r"_(bucket|sum|count)$", "", name)
    if whole != name and whole in KNOWN:
        return KNOWN[whole] if KNOWN[whole].type == "histogram" else None
    return None if name not in KNOWN or KNOWN[name].type == "histogram" else KNOWN[name]


def wrong_in(expression: str) -> list[str]:
    """What an expression names that does not exist, and brackets that do not close."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    names = NAME.findall(bare)
    wrong = [name for name in names if metric_of(name) is None]
    labels = frozenset[str]().union(*(m.labels for n in names if (m := metric_of(n))), ANY_METRIC)
    grouped = [label.strip() for found in GROUPED.findall(bare) for label in found.split(",")]
    wrong += [label for label in grouped if label and label not in labels]
    for found in SELECTOR.finditer(expression):
        metric = metric_of(found["name"])
        own = (metric.labels if metric else frozenset[str]()) | ANY_METRIC
        wrong += [label for label in MATCHER.findall(found["matchers"]) if label not in own]
    wrong += [word for word in re.findall(r"([a-z_]+)\s*\(", bare) if word not in FUNCTIONS]
    wrong += [pair for pair in ("()", "[]", "{}") if bare.count(pair[0]) != bare.count(pair[1])]
    return wrong if names else ["no metric"]


def test_every_metric_stands_with_its_type_and_labels_and_no_other() -> None:
    told = {
        row[0].strip("`"): (row[1], frozenset(re.findall(r"`(\w+)`", row[2])))
        for row in page("docs/reference/metrics.md").rows
        if len(row) == 4
    }
    assert told == {name: (m.type, m.labels) for name, m in KNOWN.items()}


def test_names_follow_the_conventions_of_prometheus() -> None:
    for name, metric in KNOWN.items():
        assert name.endswith("_total") is (metric.type == "counter"), name
        assert not re.search(r"_(ms|millis\w*|minutes|hours|kb|mb)\b", name), name


def test_no_label_names_a_single_job_task_or_worker() -> None:
    labels = frozenset[str]().union(*(metric.labels for metric in KNOWN.values()))
    assert labels == {
        *("job_type", "stage", "outcome", "status", "queue", "state", "kind"),
        *("method", "route", "role", "pool"),
    }


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_alerts_and_panels_ask_for_what_there_is(expression: str) -> None:
    """The grammar itself is checked by brackets and function names alone: promtool is not to be had here."""
    assert wrong_in(expression) == []


@pytest.mark.parametrize(
    "expression",
    [
        "max(coremachine_nonsense)",
        "coremachine_jobs_ended > 1",
        "rate(coremachine_reconciler_duration_seconds[5m])",
        "coremachine_jobs_bucket",
        'coremachine_jobs{colour="red"}',
        "sum by (colour) (coremachine_jobs)",
        "sum(coremachine_jobs",
        "summe(coremachine_jobs)",
        "1 > 0",
    ],
)
def test_what_there_is_not_is_found(expression: str) -> None:
    """The check itself: it must be able to fail."""
    assert wrong_in(expression)


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    document = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    assert set(document) == {"groups"}
    assert len({group["name"] for group in document["groups"]}) == len(document["groups"])
    for rule in alerts():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m")), rule
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description"}
        used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert used <= set(re.findall(r"\w+", rule["expr"])) | ANY_METRIC, rule["alert"]


def test_every_alert_stands_in_the_how_to() -> None:
    told = set(re.findall(r"CoreMachine[A-Z]\w+", page("docs/howto/observe.md").text))
    assert told == {rule["alert"] for rule in alerts()}


def test_the_dashboard_has_the_form_that_grafana_imports() -> None:
    board = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    assert {"title", "uid", "schemaVersion", "templating", "panels"} <= set(board)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["description"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["datasource"]["uid"] == "${datasource}"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_metric_of_ours_is_watched_somewhere() -> None:
    """What nobody looks at need not be counted, but for a few that explain the others."""
    asked = {re.sub(r"_(bucket|sum|count)$", "", n) for e in expressions() for n in NAME.findall(e)}
    explaining = {
        "coremachine_dead_letters_read_total",
        "coremachine_http_requests_in_progress",
        "coremachine_jobs_submitted_total",
        "coremachine_outbox_messages",
        *(f"coremachine_pool_{n}" for n in ("max_connections", "requests_total", "errors_total")),
        "coremachine_pool_wait_seconds_total",
    }
    ours = {name for name in KNOWN if name.startswith("coremachine_")}
    assert ours - asked == explaining


def test_prometheus_is_told_where_to_look() -> None:
    settings = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    assert [Path(FOLDER / name).exists() for name in settings["rule_files"]] == [True]
    (job,) = settings["scrape_configs"]
    assert job["job_name"] == "coremachine"
