"""The dashboard's rows of one model version and of one of its features: when it was bad, what moved, and how."""

from __future__ import annotations

from typing import Final

from monitor.publish.dashboards.fleet import JOB, state_of
from monitor.publish.dashboards.panels import (
    STATES,
    Panel,
    at_once,
    in_rows,
    lines,
    merged,
    over_time,
    panel,
    sized,
    value_words,
    with_column,
)
from monitor.stats.bins.reference_bins import QUALITY_COUNTS

MODEL: Final = f'{JOB}, model="$model", version="$version"'
FEATURE: Final = f'{MODEL}, feature="$feature"'

_FIGURES: Final = ("value", "threshold", "effect_ratio", "p_value", "samples")


def model() -> list[Panel]:
    """One model version: when it was bad, what moved, whether it is right less often, what could be seen at all."""
    return [
        _timeline(),
        _findings(),
        _distances(),
        _performance(),
        _errors(),
        _outcomes(),
        _fairness(),
        _model_events(),
        _smallest_effects(),
    ]


def _timeline() -> Panel:
    timeline = panel(
        "state-timeline",
        "Incidents",
        "When an incident was open, by the time driftd said so. Red: open the runbook of the model; the findings below "
        "name the columns, and the table of models since when the change shows in event time.",
        [over_time(state_of(MODEL), "{{model}} {{version}}")],
        size=(24, 4),
        unit="none",
        no_value="not judged yet",
        mappings=value_words(STATES),
        options={"mergeValues": True, "showValue": "auto", "legend": {"showLegend": False}},
    )
    timeline["fieldConfig"]["defaults"]["custom"] = {"fillOpacity": 80, "lineWidth": 0}
    return timeline


def _findings() -> Panel:
    by = "max by (subject, cause, segment)"
    page, ticket = (f'driftd_finding_active{{{MODEL}, severity="{severity}"}}' for severity in ("page", "ticket"))
    figures = (f"{by} (driftd_finding_{of}{{{MODEL}}})" for of in _FIGURES)
    table = panel(
        "table",
        "Findings",
        "The worst window's figures of every column and cause, the open ones first. Subject is the column, cause what "
        "happened to it; no threshold stands where the test is exact. Open: look for a deploy, a data change or a new "
        "client. A small change over its threshold is real and perhaps not worth waking anybody: see least_effect.",
        in_rows(f"{by} (2 * {page} or {ticket})", *figures),
        size=(24, 9),
        unit="none",
        no_value="-",
        decimals=4,
    )
    names = {
        "subject": "subject", "cause": "cause", "segment": "segment", "Value #A": "state", "Value #B": "value",
        "Value #C": "threshold", "Value #D": "effect", "Value #E": "p", "Value #F": "samples",
    }  # fmt: skip
    with_column(table, "state", mappings=value_words(STATES), custom__cellOptions={"type": "color-background"})
    with_column(table, "effect", unit="percentunit", decimals=1)
    with_column(table, "p", unit="sci", decimals=1)
    with_column(table, "samples", unit="short", decimals=0)
    return merged(table, names, sort="state")


def _distances() -> Panel:
    distance = f'driftd_drift_distance_ratio{{{MODEL}, distance="$distance"}}'
    return lines(
        "Drift distance ($distance)",
        "Distance of the latest long window from the reference. For looking, not for paging: what a distance means "
        "depends on the number of events. A line that leaves the others: choose that feature below.",
        [over_time(f"max by (feature) ({distance})", "{{feature}}")],
        unit="none",
        no_value="no window judged yet, or limits.series leaves it out",
    )


def _performance() -> Panel:
    return lines(
        "Performance",
        "Of the newest labelled predictions (realised); and of the latest long window before its labels come "
        "(estimated), if the scores stay calibrated. Falling: the model is right less often; the findings may say "
        "which column moved. No realised line: labels stopped.",
        [
            over_time(
                f"max by (metric, basis, segment) (driftd_performance_ratio{{{MODEL}}})",
                "{{metric}} {{basis}} {{segment}}",
            )
        ],
        no_value="no labels, or they stopped; and the reference has none to estimate from",
        unit="percentunit",
        max=1,
    )


def _errors() -> Panel:
    return lines(
        "Errors and costs",
        "Of the newest labelled predictions: mean errors in the target's unit, what 1,000 predictions cost, and the "
        "log loss; with how many labels they are of. Rising: the model is wrong by more.",
        [
            over_time(
                f"max by (metric, basis, segment) (driftd_performance_error{{{MODEL}}})",
                "{{metric}} {{basis}} {{segment}}",
            ),
            over_time(f"max by (model) (driftd_performance_labels{{{MODEL}}})", "labels"),
            over_time(f"max by (segment) (driftd_performance_segment_labels{{{MODEL}}})", "labels {{segment}}"),
        ],
        no_value="no labels, or they stopped",
        unit="none",
    )


def _fairness() -> Panel:
    return lines(
        "Fairness",
        "Of the groups of fairness: the ratio of positive rates (disparate_impact), the difference of true positive "
        "rates (equal_opportunity), the rates of each group, and of how many rows they are. Apart: see the finding.",
        [
            over_time(f"max by (feature, metric) (driftd_fairness_ratio{{{MODEL}}})", "{{metric}} {{feature}}"),
            over_time(f"max by (segment, metric) (driftd_group_rate_ratio{{{MODEL}}})", "{{metric}} {{segment}}"),
            over_time(f"max by (segment, metric) (driftd_group_samples{{{MODEL}}})", "rows {{metric}} {{segment}}"),
        ],
        no_value="the settings have no fairness, or groups are small",
        unit="none",
    )


def _outcomes() -> Panel:
    by, own = "max by (outcome, segment", "{{outcome}} {{segment}}"
    return lines(
        "Named outcomes",
        "Means of the newest values of each named outcome, shares of each category, and how many values these are of. "
        "No line: its values stopped, or the reference has none.",
        [
            over_time(f"{by}) (driftd_outcome_mean{{{MODEL}}})", own),
            over_time(f"{by}, bin) (driftd_outcome_ratio{{{MODEL}}})", f"{own} {{{{bin}}}}"),
            over_time(f"{by}) (driftd_outcome_values{{{MODEL}}})", f"values of {own}"),
        ],
        no_value="no outcomes in the reference, or their values stopped",
        unit="none",
    )


def _model_events() -> Panel:
    of_type = f"sum by (type) (rate(driftd_model_events_total{{{MODEL}}}[$__rate_interval]))"
    return lines(
        "Events and labels of the model",
        "Accepted events by type, and what became of labels. Labels that stop: the labelling job has failed. Expired: "
        "they met no prediction of their id. Not judged: a partition was silent for longer than windows.idle_after "
        "and then delivered old events; raise it.",
        [
            over_time(of_type, "{{type}}"),
            over_time(f"sum by (fate) (rate(driftd_labels_total{{{MODEL}}}[$__rate_interval]))", "label {{fate}}"),
            over_time(f"sum by (fate) (rate(driftd_outcomes_total{{{MODEL}}}[$__rate_interval]))", "outcome {{fate}}"),
            over_time(f"sum(rate(driftd_unjudged_events_total{{{MODEL}}}[$__rate_interval]))", "not judged"),
        ],
        unit="eps",
        no_value="no such model version",
    )


def _smallest_effects() -> Panel:
    return panel(
        "bargauge",
        "Smallest detectable effect",
        "The share moved by the smallest lasting change that pages within a day of today's traffic with 95 % chance. "
        "Too large to be of use: give the reference more events, or wait for more traffic.",
        [at_once(f"sort_desc(max by (feature) (driftd_smallest_detectable_effect_ratio{{{MODEL}}}))", "{{feature}}")],
        size=(12, 8),
        no_value="no window judged yet, or limits.series leaves it out",
        steps=((None, "green"), (0.1, "orange"), (0.3, "red")),
        options={
            "orientation": "horizontal",
            "displayMode": "basic",
            "reduceOptions": {"calcs": ["lastNotNull"], "values": False},
        },
        unit="percentunit",
        max=1,
    )


# LIVE AGAINST REFERENCE


def live_against_reference() -> list[Panel]:
    """One feature: its live shares and the reference's, their changes, and the quality of its values."""
    return [_live_bins(), sized(_bins_over_time(), 12, 10), _feature_distances(), _quality()]


def _live_bins() -> Panel:
    increase = f"increase(driftd_feature_bin_events_total{{{FEATURE}}}[$__range])"
    live = f"sum by (bin) ({increase}) / on () group_left () (sum({increase}) > 0)"
    reference = f"max by (bin) (driftd_reference_bin_ratio{{{FEATURE}}})"
    bars = panel(
        "barchart",
        "$feature: live against reference",
        "Shares of the accepted events of the time range by bin, and the reference's. Where they differ, the feature "
        "moved. Missing and impossible values are in no bin: see below. Choose a range after the change.",
        in_rows(_in_order(reference), _in_order(live)),
        size=(12, 10),
        no_value="no value of this feature came, or limits.series leaves its bins out",
        options={
            "xField": "bin",
            "orientation": "auto",
            "showValue": "never",
            "xTickLabelRotation": -45,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        unit="percentunit",
        min=0,
    )
    names = {"bin": "bin", "Value #A": "reference", "Value #B": "live", "order": "order"}
    merged(bars, names, sort="bin", descending=False)
    return _sorted_by_number(bars)


def _in_order(expression: str) -> str:
    """With the lower edge of a numeric bin as the label `order`: names sort as text, `3 to 5` after `11 to 13`."""
    edge = f'label_replace({expression}, "order", "$1", "bin", "(?:above )?(-?[0-9][-+.0-9e]*)(?: to .*)?")'
    return f'label_replace({edge}, "order", "-1e308", "bin", "below .*")'


def _sorted_by_number(bars: Panel) -> Panel:
    number = {"conversions": [{"targetField": "order", "destinationType": "number"}], "fields": {}}
    bars["transformations"] += [
        {"id": "convertFieldType", "options": number},
        {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": "order", "desc": False}]}},
        {"id": "organize", "options": {"excludeByName": {"order": True}, "indexByName": {}, "renameByName": {}}},
    ]
    return bars


def _bins_over_time() -> Panel:
    rate = f"rate(driftd_feature_bin_events_total{{{FEATURE}}}[$__rate_interval])"
    return lines(
        "$feature: shares by bin over time",
        "The same shares as they went, in the time driftd read the events. A layer that grows or ends shows when the "
        "change came; look for a deploy, a data change or a new client then.",
        [over_time(f"sum by (bin) ({rate}) / on () group_left () (sum({rate}) > 0)", "{{bin}}")],
        no_value="no value of this feature came, or limits.series leaves its bins out",
        stacked=True,
        unit="percentunit",
        max=1,
    )


def _feature_distances() -> Panel:
    return lines(
        "$feature: distances",
        "All distances of the latest long window from the reference. For looking, not for paging: the findings say "
        "whether a change is more than chance.",
        [over_time(f"max by (distance) (driftd_drift_distance_ratio{{{FEATURE}}})", "{{distance}}")],
        unit="none",
        no_value="no window judged yet, or limits.series leaves it out",
    )


def _quality() -> Panel:
    quality_counts = f'{MODEL}, subject="$feature", cause=~"{"|".join(QUALITY_COUNTS)}"'
    return lines(
        "$feature: missing and impossible values",
        "Shares in the worst window of values that are missing, absent (the column is gone), unseen categories, "
        "outside the reference's range or of a wrong type. Any that rises: the producer or its source of data changed.",
        [over_time(f"max by (cause) (driftd_finding_value{{{quality_counts}}})", "{{cause}}")],
        no_value="none occurred",
        unit="percentunit",
        max=1,
    )
