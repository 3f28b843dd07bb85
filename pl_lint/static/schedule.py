"""How the parts of a reading are judged: one after the other, or on all cores where that pays."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pl_lint.facts.sites import ProjectFacts
from pl_lint.plain import replace
from pl_lint.static.parts import Part
from pl_lint.static.reading import Reading

Judge = Callable[[Part], Reading]
Schedule = Callable[[Judge, Sequence[Part]], list[Reading]]

ENOUGH = 400_000
"""Bytes of code from which a second process saves more time than it takes."""
MOST = 16


def one_by_one(judge: Judge, parts: Sequence[Part]) -> list[Reading]:
    return [judge(part) for part in parts]


def on_all_cores(judge: Judge, parts: Sequence[Part]) -> list[Reading]:
    """The same, without the facts, which are too many to be handed from process to process.

    Processes are forked, so that nothing has to be imported or sent to them. Where there is no
    safe fork, the parts are judged one after the other.
    """
    count = min(_cores(), len(parts), MOST)
    if count < 2 or sum(part.size for part in parts) < ENOUGH:
        return one_by_one(judge, parts)
    answers: dict[int, Reading] = {}
    for share in _run(judge, parts, _shares(parts, count)):
        answers.update(share)
    return [answers[index] for index in range(len(parts))]


def _cores() -> int:
    if sys.platform != "linux":  # frameworks of macOS do not survive a fork, Windows has none
        return 1
    return len(os.sched_getaffinity(0))


def _shares(parts: Sequence[Part], count: int) -> list[list[int]]:
    """Which parts each process judges: the largest first, each to whoever has least to do."""
    shares: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    for index in sorted(range(len(parts)), key=lambda one: (-parts[one].size, one)):
        least = loads.index(min(loads))
        shares[least].append(index)
        loads[least] += parts[index].size
    return shares


def _run(judge: Judge, parts: Sequence[Part], shares: list[list[int]]) -> list[dict[int, Reading]]:
    """The first share in this process, the others in children."""
    import multiprocessing

    context: Any = multiprocessing.get_context("fork")
    waiting = []
    for share in shares[1:]:
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(judge, parts, share, sender), daemon=True)
        child.start()
        sender.close()
        waiting.append((share, receiver, child))
    answers = [_answers(judge, parts, shares[0])]
    for share, receiver, child in waiting:
        try:
            answers.append(receiver.recv())
        except EOFError:  # it ended before it was done; what goes wrong shall go wrong here
            answers.append(_answers(judge, parts, share))
        child.join()
    return answers


def _answers(judge: Judge, parts: Sequence[Part], share: list[int]) -> dict[int, Reading]:
    return {index: replace(judge(parts[index]), project=ProjectFacts()) for index in share}


def _child(judge: Judge, parts: Sequence[Part], share: list[int], sender: Any) -> None:
    sender.send(_answers(judge, parts, share))
    sender.close()
