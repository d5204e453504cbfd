"""Dashboards and alerts: rendered where their kinds are, and about metrics that a running operator has."""

from __future__ import annotations

import json
import re

import pytest

from harness import chart, promql, tools
from harness.resources import READ, rule

_KINDS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
_EVERYTHING = ("monitoring.podMonitor.enabled=true", "monitoring.dashboards.enabled=true")


def _alerts(workdir):
    [rules] = [o for o in chart.render(workdir, apis=chart.MONITORING) if o["kind"] == "PrometheusRule"]
    return [alert for group in rules["spec"]["groups"] for alert in group["rules"]]


def _panels(workdir):
    [made] = [o for o in chart.render(workdir, *_EVERYTHING) if o["metadata"]["name"].endswith("-dashboards")]
    boards = {name: json.loads(text) for name, text in made["data"].items()}
    assert boards
    return [panel for board in boards.values() for panel in board["panels"] if panel["type"] != "row"]


@pytest.mark.plane
def test_without_the_kinds_nothing_of_them_is_rendered(workdir):
    assert not _KINDS & {o["kind"] for o in chart.render(workdir, *_EVERYTHING)}


@pytest.mark.plane
@pytest.mark.parametrize("api", chart.MONITORING)
def test_each_is_rendered_where_its_kind_is(workdir, api):
    made = _KINDS & {o["kind"] for o in chart.render(workdir, *_EVERYTHING, apis=(api,))}
    assert made == {api.rpartition("/")[2]}


@pytest.mark.plane
def test_the_monitors_pick_the_port_that_has_metrics(workdir):
    objects = chart.render(workdir, *_EVERYTHING, apis=chart.MONITORING)
    [service] = [o for o in objects if o["kind"] == "ServiceMonitor"]
    [pod] = [o for o in objects if o["kind"] == "PodMonitor"]
    wanted = service["spec"]["selector"]["matchLabels"]
    picked = [o for o in objects if o["kind"] == "Service" and wanted.items() <= o["metadata"]["labels"].items()]
    assert [port["name"] for each in picked for port in each["spec"]["ports"]] == ["metrics"]
    [deployment] = [o for o in objects if o["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    assert pod["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    assert {each["port"] for each in pod["spec"]["podMetricsEndpoints"]} <= ports


@pytest.mark.plane
def test_each_alert_has_a_page_that_says_what_to_do(workdir):
    headings = re.findall(r"^## (\w+)$", (tools.REPO / "docs" / "alerts.md").read_text(), re.MULTILINE)
    alerts = _alerts(workdir)
    assert [alert["alert"] for alert in alerts] == headings
    for alert in alerts:
        page, _, section = alert["annotations"]["runbook_url"].partition("#")
        assert (tools.REPO / page).is_file() and section == alert["alert"].lower(), alert
        assert alert["labels"]["severity"] in ("critical", "warning") and alert["annotations"]["summary"], alert
        assert "{{ .Values" not in str(alert) and "<no value>" not in str(alert), alert


def _series(operator):
    """{name: [labels]} of what is exported now."""
    found: dict[str, list[dict[str, str]]] = {}
    for line in operator.endpoint("/metrics").text.splitlines():
        if line and line[0] != "#":
            name, _, rest = line.partition("{" if "{" in line else " ")
            found.setdefault(name, []).append(dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', rest)))
    return found


def _wrong(expression, series):
    """What of the expression no series answers to."""
    selectors, groups = promql.reads(expression)
    assert selectors, f"{expression} reads nothing"
    for each in selectors:
        labels = series.get(each.metric)
        if labels is None:
            yield f"{expression}: there is no metric {each.metric}"
            continue
        for label, operator, value in each.matchers:
            values = {one.get(label) for one in labels}
            wanted = [value] if operator in ("=", "!=") else value.split("|")
            if not set(wanted) <= values:
                yield f"{expression}: {each.metric} has no series with {label} of {wanted}, only {values}"
    known = {label for each in selectors for one in series.get(each.metric, []) for label in one}
    if not groups <= known:
        yield f"{expression}: no series has the labels {groups - known}"


@pytest.mark.operator
def test_every_metric_of_dashboards_and_alerts_is_exported(workdir, mesh, operator, oidc):
    mesh.provider(oidc)
    mesh.policy("readers", rule("read", READ))
    mesh.ready("identityprovider", "idp")
    series = _series(operator)
    asked = [alert["expr"] for alert in _alerts(workdir)]
    asked += [target["expr"] for panel in _panels(workdir) for target in panel["targets"]]
    assert len(asked) > 30
    assert not [fault for expression in asked for fault in _wrong(expression, series)]


@pytest.mark.operator
def test_what_a_panel_names_in_its_legend_is_a_label_of_it(workdir):
    for panel in _panels(workdir):
        for target in panel["targets"]:
            named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            _, groups = promql.reads(target["expr"])
            assert named <= groups or target["expr"] == "mesh_auth_jwks_age_seconds", target


@pytest.mark.plane
@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ('sum(mesh_auth_gone{state="a"}) > 0', "no metric mesh_auth_gone"),
        ('sum(mesh_auth_sidecars{state="gone"}) > 0', "no series with state"),
        ("sum by (pod) (mesh_auth_sidecars)", "no series has the labels"),
    ],
)
def test_a_metric_that_is_gone_would_be_noticed(expression, fault):
    series = {"mesh_auth_sidecars": [{"state": "pending"}, {"state": "programmed"}]}
    assert any(fault in each for each in _wrong(expression, series))
    assert not list(_wrong('sum by (state) (increase(mesh_auth_sidecars{state!~"pending|programmed"}[5m])) > 3', series))
