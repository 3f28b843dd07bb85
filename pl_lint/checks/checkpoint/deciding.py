"""Of several things that were lost, which make the difference? Runs with them put back tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pl_lint.checks.checkpoint.wording import listed

MOST = 8
"""So many lost things are put back in turn; each takes a run."""

Put = Sequence[Sequence[str]]
"""What is put back, in one run after the other."""


@dataclass(frozen=True)
class Deciding:
    """What made a difference, in words by name; and whether runs have shown that it was all of
    this, and not one of it."""

    lost: Mapping[str, str]
    shown: bool = True

    def only(self, names: Sequence[str]) -> Deciding:
        return replace(self, lost={name: self.lost[name] for name in names})

    @property
    def words(self) -> str:
        if self.shown:
            return listed(self.lost)
        return f"one of these, or several: {listed(self.lost)}"


def deciding(
    lost: Mapping[str, str], told: Sequence[str], are_right: Callable[[Put], Sequence[bool]]
) -> Deciding:
    """``told`` of what was ``lost`` has been told before. ``are_right`` says for each run whether
    it ended as it should; nothing where they could not be made.

    What is needed is that without which all the others put back are not enough. Where not even all
    of it is enough, something else was lost as well; where nothing is needed by itself, several
    things stand for each other: then nobody can tell."""
    news = {name: text for name, text in lost.items() if name not in told}
    if len(lost) < 2 or not 0 < len(news) <= MOST:
        return Deciding(news, shown=len(lost) < 2)
    without = [[name for name in lost if name != each] for each in news]
    everything, *others = are_right([[*lost], *without, *([told] if told else [])]) or [False]
    if not everything:
        return Deciding(news, shown=False)
    if told and others[-1]:
        return Deciding({})
    needed = {name: news[name] for name, right in zip(news, others, strict=False) if not right}
    return Deciding(needed or news, shown=bool(needed))
