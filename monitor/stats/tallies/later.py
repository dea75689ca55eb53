"""A part of a state's tree that is worked out when it is encoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


class Later(Mapping[str, Any]):
    """A tree made by `tree`, of values that never change: a checkpoint encodes it while the loop goes on counting."""

    def __init__(self, tree: Callable[[], Any]) -> None:
        self.tree = tree

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - whatever the tree holds
        return self.tree()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tree())

    def __len__(self) -> int:
        return len(self.tree())
