"""What the ranks became in a fit: parameters, buffers, attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pl_lint.checks.checkpoint.resuming import needed_to_go_on
from pl_lint.checks.distributed import script as scripts
from pl_lint.checks.distributed.endings import in_setup
from pl_lint.checks.distributed.fits import Fits, each
from pl_lint.checks.distributed.values import differing_attributes
from pl_lint.checks.proving import suspected_at
from pl_lint.checks.registry import Gathering
from pl_lint.checks.sync_dist.sharing import WORLDS
from pl_lint.facts.events import Note, sentence
from pl_lint.facts.ranks import Assigned
from pl_lint.facts.records import unsaved as buffer_state
from pl_lint.findings import Evidence, Finding, Location, Status

FIRST_STEP, START, END = "first step", "start", "end"
LOOKS = ("last batch", "validation", END)
"""When buffers are compared: a later forward pass of DDP makes them alike again."""
_WHEN = {
    FIRST_STEP: "after the first step",
    "last batch": "after the last batch",
    "validation": "when validation began",
    END: "at the end",
}
SHOWN = 5


def judge_state(fits: Fits, into: Gathering) -> None:
    _judge_parameters(fits, into)
    _judge_buffers(fits, into)
    _judge_unused(fits, into)
    _judge_prepared(fits, into)
    names = differing_attributes(fits)
    if names and not into.findings:
        said = ", ".join(f"self.{name}" for name in names[:SHOWN])
        into.notes.append(Note(said, "not the same on all ranks at the end of the fit"))


def _judge_parameters(fits: Fits, into: Gathering) -> None:
    for moment in (FIRST_STEP, END):
        names = _different(fits, "parameters", moment)
        if names:
            into.findings.append(_apart(names, moment, fits))
            return
    if not _moved(fits):
        into.untriggered.append(
            sentence("no optimizer step was made: parameters could not come apart")
        )
    into.passed += _moved(fits) and _saw_other_samples(fits)


def _apart(names: Sequence[str], moment: str, fits: Fits) -> Finding:
    """Frozen parameters that differ were updated by hand, like a buffer. Those that were unfrozen
    later are not synchronised: DDP has hooks on what was trainable when it was set up."""
    late = set(names) <= set(fits.ranks[0].unfrozen)
    frozen = not late and not set(names) & set(fits.ranks[0].trainable)
    rank = _differs_on(fits, "parameters", names[0])
    message = f"{_listed(names)}: other values on rank {rank} than on rank 0 {_WHEN[moment]}"
    if late:
        message += "; they were frozen when DDP was set up, which does not synchronise them"
    place, shows = fits.place(names[0]), scripts.held(names[0])
    if _went_back_alone(names, fits):
        message += "; no backward pass went through Lightning, so that DDP averaged no gradients"
        remedy = "write self.manual_backward(loss) in place of loss.backward()"
        place = suspected_at(fits.runs, "LTN602", place) or place
        return fits.finding("LTN602", message, place, remedy, script=shows)
    remedy = "update parameters by gradients of the loss alone, or from gathered values"
    code = "LTN508" if frozen else "distributed"
    evidence = _numbers(names[0], moment, fits) if frozen else ()
    return fits.finding(code, message, place, remedy, *evidence, script=shows)


def _went_back_alone(names: Sequence[str], fits: Fits) -> bool:
    """Whether what came apart was stepped with each rank's own gradients, and none came by way of
    Lightning: under manual optimization its ``manual_backward`` is what asks DDP to average them
    (``strategies/ddp.py``, ``pre_backward``). Frozen copies follow what they are made of.
    """
    first, *others = fits.ranks
    own = [
        name
        for name in set(names) & set(first.trainable) - set(first.unused)
        if any(rank.stepped.get(name) != first.stepped.get(name) for rank in others)
    ]
    return first.backwards == 0 and bool(own)


def _numbers(name: str, moment: str, fits: Fits) -> Iterator[Evidence]:
    """What the first rank that differs has, beside rank zero. Other elements may make equal
    sums."""
    values = [rank.sums.get(moment, {}).get(name) for rank in fits.ranks]
    for rank, value in enumerate(values):
        if value is not None and values[0] is not None and value != values[0]:
            yield Evidence(
                key=f"self.{name}",
                logged=value,
                true=values[0],
                tolerance=0.0,
                world=fits.world,
                how=f"{_WHEN[moment]} of a fit; the sum of its elements",
                words=(f"on rank {rank}", "on rank 0"),
            )
            return


def _moved(fits: Fits) -> bool:
    moments = fits.ranks[0].parameters
    return moments.get(START) != moments.get(END)


def _saw_other_samples(fits: Fits) -> bool:
    """Whether the ranks' gradients could differ: equal samples would keep them equal anyway."""
    own = [[event.value for event in rank.events if event.stage == "train"] for rank in fits.ranks]
    logged = any(values != own[0] for values in own)
    listed = any(one.stage == "train" and len(one.samples) > 1 for one in fits.ranks[0].listings)
    return logged or listed


def _judge_buffers(fits: Fits, into: Gathering) -> None:
    """What no checkpoint has may be room for the results of one step, each rank's rightly: it
    counts where a fit that was resumed without it is another one."""
    apart = list(dict.fromkeys(name for look in LOOKS for name in _moved_apart(fits, look)))
    unsaved = [name for name in apart if name in fits.ranks[0].unsaved]
    needed = needed_to_go_on(fits.runs, fits.case) if unsaved else frozenset()
    passing = [name for name in unsaved if buffer_state(name) not in needed]
    moved = [name for name in apart if name not in passing]
    if passing:
        why = "each rank's own value, and a fit that lost it is not shown to go on otherwise"
        into.notes.append(Note(_listed(passing), why))
    if moved:
        message = (
            f"{_listed(moved)}: each rank's own value after training steps; DDP sends rank 0's to "
            "all before each step, so what the others added is lost"
        )
        remedy = "update buffers from gathered values: self.all_gather(...)"
        place, shows = fits.place(moved[0]), scripts.held(moved[0], scripts.BUFFERS)
        look = next(look for look in LOOKS if moved[0] in _moved_apart(fits, look))
        numbers = _numbers(moved[0], look, fits)
        finding = fits.finding("LTN508", message, place, remedy, *numbers, script=shows)
        into.findings.append(finding)


def _moved_apart(fits: Fits, look: str) -> list[str]:
    first = fits.ranks[0].buffers
    names = _different(fits, "buffers", look)
    return [name for name in names if first.get(START, {}).get(name) != first[look][name]]


def _different(fits: Fits, kind: str, moment: str) -> list[str]:
    seen: Sequence[Mapping[str, str]] = [getattr(rank, kind).get(moment, {}) for rank in fits.ranks]
    first, *others = seen
    return [name for name in first if any(other.get(name) != first[name] for other in others)]


def _differs_on(fits: Fits, kind: str, name: str) -> int:
    """The first rank whose value differs from rank zero's at any moment."""
    seen = [[look.get(name) for look in getattr(rank, kind).values()] for rank in fits.ranks]
    return next(rank for rank, values in enumerate(seen) if values != seen[0])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _judge_unused(fits: Fits, into: Gathering) -> None:
    """LTN504: plain DDP would have raised in the second step. The fit on more than two ranks is too
    short to tell: optimizers may take turns."""
    first = fits.ranks[0]
    if len(fits.ranks) > WORLDS[0]:
        return
    names = [name for name in first.unused if all(name in rank.unused for rank in fits.ranks)]
    if not names or first.backwards < 2:
        return
    about, said = _listed(names), f"no gradient in any of {first.backwards} backward passes"
    if first.tolerates_unused:
        into.notes.append(Note(about, f"{said}; the case's strategy allows for it"))
        return
    if not set(names) & set(first.optimized):
        into.notes.append(
            Note(about, f"{said}, and in no optimizer; freeze them, or plain DDP raises")
        )
        return
    into.findings.append(_unused(fits, f"{about}: {said}", fits.place(names[0])))


def _unused(fits: Fits, said: str, place: Location) -> Finding:
    script = fits.runs.trained_by_ddp()
    used = f", as the Trainer at {script} uses it," if script is not None else ""
    message = f"{said}; DDP without find_unused_parameters=True{used} raises in its second step"
    remedy = "remove or freeze them, or Trainer(strategy='ddp_find_unused_parameters_true')"
    found = fits.finding("LTN504", message, place, remedy, script=scripts.raises())
    if not fits.ranks[0].asks_for_ranks and script is None:  # one process trains it well
        return replace(found, status=Status.SUSPECTED)
    return found


def _judge_prepared(fits: Fits, into: Gathering) -> None:
    """LTN502: what prepare_data assigned on rank zero was read on, and is not there elsewhere."""
    for one in fits.ranks[0].assigned:
        if one.read is None:
            into.notes.append(
                sentence(
                    f"prepare_data assigns {one.name!r}, which nothing reads afterwards on rank 0"
                )
            )
        elif not _same_elsewhere(one, fits):
            message = (
                f"prepare_data assigned {one.name!r} on rank 0 only, where {one.read} reads it: "
                + each([one.left, *(_left(one.name, rank.kept) for rank in fits.ranks[1:])])
            )
            remedy, shows = in_setup(one), scripts.assigned(one.name)
            into.findings.append(
                fits.finding("LTN502", message, one.location, remedy, script=shows)
            )


def _same_elsewhere(one: Assigned, fits: Fits) -> bool:
    return all(rank.kept.get(one.name) == one.left for rank in fits.ranks[1:])


def _left(name: str, kept: Mapping[str, str]) -> str:
    return kept.get(name, "nothing")
