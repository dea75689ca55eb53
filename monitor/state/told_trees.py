"""What is to be told as trees, and back: each with the name of its kind."""

from __future__ import annotations

from typing import Any

from monitor.chain import Told
from monitor.findings import Rebase, Transition
from monitor.notices import Notice
from monitor.state.finding_trees import rebase_of, rebase_tree, transition_of, transition_tree

_TRANSITION, _REBASE, _NOTICE = "transition", "rebase", "notice"


def told_tree(told: Told) -> dict[str, Any]:
    """The tree."""
    match told:
        case Transition():
            return {"kind": _TRANSITION, "told": transition_tree(told)}
        case Rebase():
            return {"kind": _REBASE, "told": rebase_tree(told)}
        case Notice():
            plain = {"notice": told.notice, "at": told.at_us, "place": told.place, "facts": dict(told.facts)}
            return {"kind": _NOTICE, "told": plain}


def told_of(tree: dict[str, Any]) -> Told:
    """Back from `told_tree`.

    Raises:
        LookupError, TypeError, ValueError: the tree does not come from `told_tree`.
    """
    kind, told = tree["kind"], tree["told"]
    if kind == _TRANSITION:
        return transition_of(told)
    if kind == _REBASE:
        return rebase_of(told)
    if kind == _NOTICE:
        return Notice(told["notice"], told["at"], told["place"], told["facts"])
    raise ValueError(f"{kind!r} is nothing that is told")
