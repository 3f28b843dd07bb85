"""What a rank does by lines of the user's: files, prints, loggers, and calls that wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pl_lint.checks.distributed.fits import Fits, each
from pl_lint.checks.registry import Gathering
from pl_lint.checks.sync_dist.crashed_ranks import is_noise
from pl_lint.facts.ranks import Touch
from pl_lint.findings import Finding, Location, Status

SETTING_UP = ("setup", "train_dataloader", "val_dataloader", "test_dataloader", "__init__")
GUARD = "do it where self.trainer.is_global_zero, or in a function with @rank_zero_only"


def judge_effects(fits: Fits, into: Gathering) -> None:
    for kind, judge in _FILES.items():
        into.findings += [judge(done, fits) for done in _by_several(fits, kind)]
    for done in _by_several(fits, "print"):
        touch = done.touch
        message = f"{done.who(fits)} prints this line: {touch.what!r}"
        note = fits.finding("LTN511", message, touch.location, "self.print(...)")
        into.findings.append(replace(note, status=Status.SUSPECTED))
    _judge_calls(fits, into)
    for rank, touch in _off_rank_zero(fits):
        message = (
            f"{touch.what} on rank {rank}: there every attribute of the experiment is a function "
            "that does nothing, and this raises AttributeError or TypeError"
        )
        into.findings.append(fits.finding("LTN512", message, touch.location, GUARD))


def _judge_calls(fits: Fits, into: Gathering) -> None:
    """What one rank calls more often than another: it waits for it, or meets something else.

    A rank that failed for a reason of its own has not come to its other calls."""
    if any(rank.error is not None and not is_noise(rank.error) for rank in fits.ranks):
        return
    calls = [[touch for touch in rank.touches if touch.kind == "call"] for rank in fits.ranks]
    for what in dict.fromkeys(touch.what for mine in calls for touch in mine):
        times = [sum(touch.what == what for touch in mine) for mine in calls]
        if len(set(times)) > 1:
            said = each([f"{number} time{'s' * (number != 1)}" for number in times])
            code = "LTN325" if what == "save_checkpoint" else "distributed"
            message = f"{what} was called {said}: every rank waits in it for all the others"
            remedy = f"call {what} on every rank, outside of guards"
            into.findings.append(fits.finding(code, message, _uneven(what, calls), remedy))


def _uneven(what: str, calls: Sequence[Sequence[Touch]]) -> Location:
    """The line at which some rank called it more often than another. That alone is no fault: the
    others may meet it in another line."""
    counts = [Counter(touch.location for touch in mine if touch.what == what) for mine in calls]
    lines = dict.fromkeys(place for count in counts for place in count)
    return next(place for place in lines if len({count[place] for count in counts}) > 1)


@dataclass(frozen=True)
class Done:
    """What several ranks did at one line."""

    touch: Touch
    ranks: tuple[int, ...]

    def who(self, fits: Fits) -> str:
        if len(self.ranks) == len(fits.ranks):
            return "every rank"
        return "each of ranks " + " and ".join(map(str, self.ranks))


def _file(done: Done, fits: Fits) -> Finding:
    return _written(done, fits, "they overwrite each other's")


def _appended(done: Done, fits: Fits) -> Finding:
    """Nothing is lost at the end of a file, but there is one of each line for every rank. Of a log
    that says when a run begins that may be meant."""
    found = _written(done, fits, "it has each line once for every rank, in no certain order")
    return replace(found, status=Status.SUSPECTED) if done.touch.hook in SETTING_UP else found


def _created(done: Done, fits: Fits) -> Finding:
    """Every rank asked whether there was one, and then made it: the first time only, and whether
    two of them do so at once is chance."""
    found = _written(done, fits, "all of them asked first, and found none")
    return replace(found, status=Status.SUSPECTED)


def _points(done: Done, fits: Fits) -> Finding:
    """A writer of the user's own; what Lightning's loggers are told off rank zero goes nowhere."""
    touch = done.touch
    message = (
        f"{done.who(fits)} adds points to {Path(touch.what).name!r}: TensorBoard shows them "
        f"{len(done.ranks)} times, as one curve"
    )
    return fits.finding("LTN511", message, touch.location, GUARD)


_FILES: Mapping[str, Callable[[Done, Fits], Finding]] = {
    "file": _file,
    "append": _appended,
    "create": _created,
    "points": _points,
}


def _written(done: Done, fits: Fits, harm: str) -> Finding:
    touch = done.touch
    code = "LTN503" if touch.hook in SETTING_UP else "LTN511"
    message = f"{done.who(fits)} writes {Path(touch.what).name!r}: {harm}"
    remedy = "write it in prepare_data, which one process runs" if code == "LTN503" else GUARD
    return fits.finding(code, message, touch.location, remedy)


def _by_several(fits: Fits, kind: str) -> Iterator[Done]:
    """What two ranks or more did at one line; the same file, or a print with whatever text. A guard
    for one rank keeps out all others, and one for some of them is none."""
    seen = [
        {_key(touch): touch for touch in rank.touches if touch.kind == kind} for rank in fits.ranks
    ]
    for key in dict.fromkeys(key for mine in seen for key in mine):
        ranks = tuple(rank for rank, mine in enumerate(seen) if key in mine)
        if len(ranks) > 1:
            yield Done(seen[ranks[0]][key], ranks)


def _key(touch: Touch) -> tuple[object, ...]:
    return (touch.location,) if touch.kind == "print" else (touch.location, touch.what)


def _off_rank_zero(fits: Fits) -> Iterator[tuple[int, Touch]]:
    seen = set()
    for rank, fit in enumerate(fits.ranks):
        for touch in fit.touches if rank else ():
            if touch.kind == "logger" and touch.location not in seen:
                seen.add(touch.location)
                yield rank, touch
