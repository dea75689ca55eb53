"""The plan of a warm-up that completes an import: bins of the import, the rest as the live events have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from monitor.reference.column import FEATURE, Column
from monitor.reference.plan.columns import Plan
from monitor.reference.reference import Reference
from monitor.stats.bins.reference_bins import NUMERIC


def kinds_of_import(imported: Reference | None, kinds: Mapping[str, str]) -> dict[str, str]:
    """The settings' kinds, and those of the import's features where the settings are silent."""
    if imported is None:
        return dict(kinds)
    known = {
        column.name: column.bins.kind
        for column, carried in zip(imported.columns, imported.carried.tolist(), strict=True)
        if column.role == FEATURE and (carried or column.bins.kind == NUMERIC)
    }
    return known | dict(kinds)


def plan_import(plan: Plan, imported: Reference, kinds: Mapping[str, str]) -> None:
    """Give the planned columns the bins of the import; what contradicts it is left out. `kinds` are the settings'."""
    known = {(column.role, column.name): column for column in imported.columns}
    carried = imported.carried
    counted = {(column.role, column.name): column for at, column in enumerate(imported.columns) if carried[at]}
    faults, plan.faults = plan.faults, []
    for fault in faults:
        name = next((one for role, one in known if role == FEATURE and fault.startswith(f"features.{one}.kind: ")), "")
        if name and name not in kinds:
            why = fault.removeprefix(f"features.{name}.kind: ").split("; ")[0]
            plan.ignored[name] = f"the import has it as {why}"
        else:
            plan.faults.append(fault)
    plan.columns = [_imported(column, counted.get((column.role, column.name))) for column in plan.columns]


def _imported(live: Column, known: Column | None) -> Column:
    """A planned column with bins and figures of the import; which single value is the most frequent one is live."""
    if known is None or known.bins.kind != live.bins.kind or live.parent:
        return live
    return replace(known, modal=live.modal, modal_share=live.modal_share, ticket_only=live.ticket_only)
