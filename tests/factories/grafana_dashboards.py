"""Dashboards in Grafana's classic model, written by hand: one of each kind that people have lying about."""

from typing import Any

INFLUX = {"type": "influxdb", "uid": "P951FEA4DE68E13C5"}
PROMETHEUS = {"type": "prometheus", "uid": "${DS_PROM}"}


def servers() -> dict[str, Any]:
    """For InfluxDB, by the query builder: variables, a row, thresholds, an alias, and keys that mean nothing here."""
    return {
        "annotations": {
            "list": [
                {
                    "builtIn": 1,
                    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
                    "enable": True,
                    "iconColor": "rgba(0, 211, 255, 1)",
                    "name": "Deployments",
                    "target": {"limit": 100, "matchAny": False, "tags": [], "type": "dashboard"},
                }
            ]
        },
        "editable": True,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": 17,
        "links": [{"title": "Run book", "type": "link", "url": "https://example.com/run"}],
        "panels": [
            {
                "collapsed": True,
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": 0},
                "id": 9,
                "panels": [cpu_panel(id=2)],
                "title": "$host",
                "repeat": "host",
                "type": "row",
            },
            {
                "datasource": INFLUX,
                "fieldConfig": {
                    "defaults": {
                        "color": {"mode": "thresholds"},
                        "decimals": 1,
                        "mappings": [],
                        "max": 100,
                        "min": 0,
                        "thresholds": {
                            "mode": "absolute",
                            "steps": [{"color": "green", "value": None}, {"color": "red", "value": 90}],
                        },
                        "unit": "percent",
                    },
                    "overrides": [
                        {
                            "matcher": {"id": "byName", "options": "idle"},
                            "properties": [{"id": "unit", "value": "none"}],
                        }
                    ],
                },
                "gridPos": {"h": 4, "w": 6, "x": 0, "y": 1},
                "id": 4,
                "maxDataPoints": 100,
                "options": {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}},
                "pluginVersion": "11.2.0",
                "targets": [{"query": 'SELECT last("v") FROM "m"', "rawQuery": True, "refId": "A", "hide": False}],
                "title": "Used",
                "transformations": [{"id": "reduce", "options": {}}],
                "type": "gauge",
            },
        ],
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": ["linux", "servers"],
        "templating": {
            "list": [
                {
                    "allValue": None,
                    "current": {"selected": True, "text": ["web-1"], "value": ["web-1"]},
                    "datasource": INFLUX,
                    "includeAll": True,
                    "multi": True,
                    "name": "host",
                    "options": [],
                    "query": 'SHOW TAG VALUES FROM "cpu" WITH KEY = "host"',
                    "refresh": 1,
                    "regex": "/^web/",
                    "sort": 1,
                    "type": "query",
                },
                {"name": "datacenter", "type": "custom", "query": "Falkenstein : fsn, Helsinki : hel", "label": "DC"},
            ]
        },
        "time": {"from": "now-3h", "to": "now"},
        "timepicker": {"refresh_intervals": ["5s", "30s"]},
        "timezone": "browser",
        "title": "Servers",
        "uid": "srv0001",
        "version": 12,
        "weekStart": "",
    }


def cpu_panel(**changes: Any) -> dict[str, Any]:
    return {
        "datasource": INFLUX,
        "gridPos": {"h": 8, "w": 12, "x": 0, "y": 1},
        "targets": [
            {
                "alias": "$tag_host",
                "groupBy": [
                    {"params": ["$__interval"], "type": "time"},
                    {"params": ["host::tag"], "type": "tag"},
                    {"params": ["null"], "type": "fill"},
                ],
                "measurement": "cpu",
                "orderByTime": "ASC",
                "policy": "default",
                "refId": "A",
                "resultFormat": "time_series",
                "select": [[{"params": ["usage"], "type": "field"}, {"params": [], "type": "mean"}]],
                "tags": [
                    {"key": "host::tag", "operator": "=~", "value": "/^$host$/"},
                    {"condition": "AND", "key": "dc", "operator": "=", "value": "$datacenter"},
                ],
            }
        ],
        "title": "CPU",
        "type": "timeseries",
        **changes,
    }


def shared() -> dict[str, Any]:
    """For Prometheus, as `Export for sharing externally` writes it."""
    return {
        "__inputs": [
            {
                "name": "DS_PROM",
                "label": "Prometheus",
                "description": "",
                "type": "datasource",
                "pluginId": "prometheus",
                "pluginName": "Prometheus",
            },
            {"name": "VAR_JOB", "type": "constant", "label": "job", "value": "api", "description": ""},
        ],
        "__requires": [{"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"}],
        "panels": [
            {
                "datasource": PROMETHEUS,
                "gridPos": {"h": 8, "w": 24, "x": 0, "y": 0},
                "id": 1,
                "targets": [
                    {
                        "datasource": PROMETHEUS,
                        "expr": 'sum by (code) (rate(http_requests_total{job="${VAR_JOB}"}[$__rate_interval]))',
                        "legendFormat": "{{code}}",
                        "range": True,
                        "refId": "A",
                    },
                    {"expr": "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))", "refId": "B"},
                ],
                "title": "Requests",
                "type": "timeseries",
            }
        ],
        "schemaVersion": 41,
        "title": "Requests",
        "uid": "req0001",
    }


def resource() -> dict[str, Any]:
    """What Grafana 12 keeps in Git."""
    return {
        "apiVersion": "dashboard.grafana.app/v1beta1",
        "kind": "Dashboard",
        "metadata": {"name": "srv0001"},
        "spec": {name: value for name, value in servers().items() if name != "uid"},
    }


def second_model() -> dict[str, Any]:
    return {
        "apiVersion": "dashboard.grafana.app/v2beta1",
        "kind": "Dashboard",
        "spec": {"title": "New", "elements": {}, "layout": {"kind": "GridLayout", "spec": {}}},
    }
