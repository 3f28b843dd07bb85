"""How the parts of a reading are judged: one after the other, or on all cores where that pays."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Location
from pl_lint.plain import replace
from pl_lint.static.parts import Part
from pl_lint.static.reading import Reading
from pl_lint.static.sources import Unreadable

Judge = Callable[[Part], Reading]
Schedule = Callable[[Judge, Sequence[Part]], list[Reading]]

ENOUGH = 400_000
"""Bytes of code from which a second process saves more time than it takes."""
MOST = 16


def one_by_one(judge: Judge, parts: Sequence[Part]) -> list[Reading]:
    return [judge(part) for part in parts]


def on_all_cores(judge: Judge, parts: Sequence[Part]) -> list[Reading]:
    """The same, without the facts, which are too many to be handed from process to process. A
    fault of pl-lint's own costs the part that it shows in, and no other.

    Processes are forked, so that nothing has to be imported or sent to them. Where there is no
    safe fork, the parts are judged one after the other.
    """
    judge = _contained(judge)
    count = min(_cores(), len(parts), MOST)
    if count < 2 or sum(part.size for part in parts) < ENOUGH:
        return one_by_one(judge, parts)
    answers = _run(judge, parts, count)
    return [answers[index] for index in range(len(parts))]


def _contained(judge: Judge) -> Judge:
    """A judge that says of a part what it could not judge, and why."""

    def judged(part: Part) -> Reading:
        try:
            return judge(part)
        except Exception as error:
            return Reading(ProjectFacts(), (), (_own_fault(part, error),))

    return judged


def _own_fault(part: Part, error: Exception) -> Unreadable:
    """Where pl-lint failed, as one line that can be reported."""
    path = next((one.path for one in part.sources if one.asked_for), part.sources[0].path)
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    file = os.path.basename(last.tb_frame.f_code.co_filename) if last is not None else "?"
    line = last.tb_lineno if last is not None else 0
    message = (
        f"pl-lint itself failed on the project of this file, which is not judged "
        f"({type(error).__name__} in {file}:{line}): please report it"
    )
    return Unreadable(Location(path, 1), message)


def _cores() -> int:
    if sys.platform != "linux":  # frameworks of macOS do not survive a fork, Windows has none
        return 1
    return len(os.sched_getaffinity(0))


def _run(judge: Judge, parts: Sequence[Part], count: int) -> dict[int, Reading]:
    """Each process takes the next part, the largest first, until there is none: how long one takes
    is not known before."""
    import multiprocessing

    context: Any = multiprocessing.get_context("fork")
    order = sorted(range(len(parts)), key=lambda one: (-parts[one].size, one))
    try:
        taken = context.Value("i", 0)
    except (ImportError, OSError):  # a system without semaphores
        return _answers(judge, parts, order)
    waiting = []
    for _ in range(count - 1):
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(
            target=_child, args=(judge, parts, _next(order, taken), sender), daemon=True
        )
        child.start()
        sender.close()
        waiting.append((receiver, child))
    answers = _answers(judge, parts, _next(order, taken))
    for receiver, child in waiting:
        with suppress(EOFError):  # it ended before it was done
            answers.update(receiver.recv())
        child.join()
    left = (index for index in order if index not in answers)  # what goes wrong shall go wrong here
    return answers | _answers(judge, parts, left)


def _next(order: Sequence[int], taken: Any) -> Iterator[int]:
    """The parts that no other process has taken."""
    while True:
        with taken.get_lock():
            place = taken.value
            taken.value += 1
        if place >= len(order):
            return
        yield order[place]


def _answers(judge: Judge, parts: Sequence[Part], mine: Iterable[int]) -> dict[int, Reading]:
    return {index: replace(judge(parts[index]), project=ProjectFacts()) for index in mine}


def _child(judge: Judge, parts: Sequence[Part], mine: Iterable[int], sender: Any) -> None:
    sender.send(_answers(judge, parts, mine))
    sender.close()
