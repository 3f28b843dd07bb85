"""What the ranks logged in a fit, and what they took for the best of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pl_lint.checks.distributed import script as scripts
from pl_lint.checks.distributed.fits import Fits, each
from pl_lint.checks.distributed.keys import judge_keys
from pl_lint.checks.registry import Gathering
from pl_lint.checks.sync_dist.pairing import mixed_keys, pairing_finding
from pl_lint.checks.values.lines import deciding
from pl_lint.checks.values.numbers import FLOAT32, far, same, shown, tolerance
from pl_lint.checks.values.randomness import value_tolerance, why_tolerance
from pl_lint.facts.events import EpochValues, Note
from pl_lint.facts.ranks import Best, Gathered
from pl_lint.findings import Evidence, Finding

SYNC = "log a torchmetrics object; for a mean over samples self.log({!r}, ..., sync_dist=True)"
GATHER = (
    "keep the samples in a torchmetrics object, which gathers them from all ranks, or gather them "
    "with self.all_gather(...).flatten(0, 1) before computing"
)


FIRST = "rank 0's value in the place of the truth, which neither of them need be"


def judge_values(fits: Fits, into: Gathering) -> None:
    told = _pairings(fits, into)
    for gathered in fits.ranks[0].gathered:
        if gathered.name not in told and not _judge_metric(gathered, fits, into):
            told.add(gathered.name)  # one epoch of it is enough
    told |= judge_keys(fits, into, told)
    differing = dict(_differing(fits))
    for best in zip(*(rank.best for rank in fits.ranks), strict=False):
        told |= _judge_best(best, fits, into)
    for name, epochs in differing.items():
        if name not in told:
            _judge_differing(name, epochs, fits, into)


def _pairings(fits: Fits, into: Gathering) -> set[str]:
    """Keys that were averaged with another one; the epochs of each stage one by one."""
    told: set[str] = set()
    for epochs in fits.epochs():
        stage, epoch = epochs[0].stage, epochs[0].epoch
        events = [
            [event for event in rank.events if (event.stage, event.epoch) == (stage, epoch)]
            for rank in fits.ranks
        ]
        for mixed in mixed_keys(events, [one.values for one in epochs]):
            if not told & set(mixed.names):
                into.findings.append(pairing_finding(mixed, events, fits.world, fits.case))
            told |= set(mixed.names)
    return told


def _judge_metric(one: Gathered, fits: Fits, into: Gathering) -> bool:
    """Whether a metric object logged what it says of all ranks' inputs; one that is wrong in one
    process already is `logged-values`'."""
    within = value_tolerance(fits.case, one.name, one.true)
    if not fits.right_alone(one.name):
        into.undecided.append(Note(one.name, "wrong in one process already"))
        return False
    if same(one.logged, one.true, within):
        into.passed += any(far(part, one.true, within) for part in one.parts)
        return True
    mean = sum(one.parts) / len(one.parts)
    code, cause = "LTN100", "no known mistake reproduces this number"
    if same(one.logged, one.parts[0], within):
        code, cause = "LTN211", "that of rank 0's own inputs"
    elif same(one.logged, mean, within):
        code, cause = "LTN109", f"the mean of the ranks' own values is {shown(mean)}"
    message = (
        f"{one.name!r} was logged as {shown(one.logged)} after epoch {one.epoch} of {one.stage}; "
        f"{one.metric_class} of the inputs of all ranks is {shown(one.true)}: {cause}"
    )
    how = "the inputs of all ranks, given once to a fresh metric"
    because = why_tolerance(fits.case, one.name)
    evidence = Evidence(one.name, one.logged, one.true, within, fits.world, how, cause, because)
    shows = scripts.logged(one.name) if code == "LTN211" else None  # else alike on all ranks
    place = fits.line(one.name)
    into.findings.append(fits.finding(code, message, place, GATHER, evidence, script=shows))
    return False


# --- values that differ between ranks -------------------------------------------------------------


def _differing(fits: Fits) -> Iterator[tuple[str, Sequence[EpochValues]]]:
    """Each key of training whose values are not the same on all ranks, and the first such
    epoch."""
    known: set[str] = set()
    for epochs in fits.epochs():
        if epochs[0].stage != "train":
            continue  # sync-dist has a truth for them
        for name in {name for one in epochs for name in one.values} - known:
            values = [one.values.get(name) for one in epochs]
            if not _only_rank_zero(name, fits) and not _equal(values, fits, name):
                known.add(name)
                yield name, epochs


def _equal(values: Sequence[float | None], fits: Fits, name: str) -> bool:
    first = values[0]
    if first is None or None in values:
        return all(value is None for value in values)
    within = value_tolerance(fits.case, name, first)
    return all(value is not None and same(value, first, within) for value in values)


def _only_rank_zero(name: str, fits: Fits) -> bool:
    calls = fits.events(name)
    return bool(calls) and all(event.rank_zero_only for event in calls)


def _judge_differing(name: str, epochs: Sequence[EpochValues], fits: Fits, into: Gathering) -> None:
    values = [one.values.get(name) for one in epochs]
    said = each(["nothing" if value is None else shown(value) for value in values])
    of_stage = [event for event in fits.ranks[0].events if event.stage == epochs[0].stage]
    calls = deciding(of_stage, name)
    if None in values:
        into.notes.append(Note(name, f"{said}; nothing asks for it, and no sync mixes it"))
    elif all(event.batch >= 0 for event in calls):
        kept = f"{said}: each rank logs the mean of its own training samples, and rank 0's is kept"
        into.notes.append(Note(name, kept))
    elif fits.is_chance(name):
        chance = "a number that differs between equal runs (a time, a load)"
        into.undecided.append(Note(name, chance))
    else:
        message = (
            f"{name!r} was logged as {said} at the end of a training epoch: it is computed from "
            f"what each rank saw{_blamed(fits)}"
        )
        late = (event.location for event in calls if event.batch < 0)
        place = next(late, fits.line(name))  # steps may log the key, too
        shown_by = scripts.logged(name)
        evidence = _of_another_rank(name, values, fits)
        found = fits.finding("LTN211", message, place, GATHER, evidence, script=shown_by)
        into.findings.append(found)


def _of_another_rank(name: str, values: Sequence[float | None], fits: Fits) -> Evidence:
    known = [value for value in values if value is not None]
    within = value_tolerance(fits.case, name, known[0])
    other = next(value for value in known if not same(value, known[0], within))
    cause, because = "a value of each rank's own samples", why_tolerance(fits.case, name)
    return Evidence(name, other, known[0], within, fits.world, FIRST, cause, because)


def _blamed(fits: Fits) -> str:
    names = ", ".join(f"self.{name}" for name in differing_attributes(fits))
    return f" ({names} differ between ranks)" if names else ""


def differing_attributes(fits: Fits) -> list[str]:
    """Plain attributes that changed in training and are not the same on all ranks."""
    first, *others = ({**rank.attributes.get("end", {})} for rank in fits.ranks)
    before = fits.ranks[0].attributes.get("start", {})
    return [
        name
        for name, text in first.items()
        if any(other.get(name) != text for other in others) and before.get(name) != text
    ]


# --- the best checkpoint --------------------------------------------------------------------------


def _judge_best(best: Sequence[Best], fits: Fits, into: Gathering) -> set[str]:
    """The keys told of: one finding for a monitor is enough."""
    first = best[0]
    if first.score is None and all(one.score is None for one in best):
        return set()
    within = tolerance(first.score or 0.0)
    if all(_agree(first, one, within) for one in best):
        into.passed += _could_differ(first.monitor, fits)
        return set()
    into.findings.append(_best_finding(best, fits, within))
    return {first.monitor}


def _agree(one: Best, other: Best, within: float) -> bool:
    if one.score is None or other.score is None:
        return one.score is other.score
    return one.path == other.path and same(one.score, other.score, within)


def _could_differ(name: str, fits: Fits) -> bool:
    """Whether the ranks' own values of a key were different ones."""
    own = [
        [event.value for event in rank.events if event.name == name and event.value is not None]
        for rank in fits.ranks
    ]
    return any(values != own[0] for values in own)


def _best_finding(best: Sequence[Best], fits: Fits, within: float) -> Finding:
    first, name = best[0], best[0].monitor
    scores = each(["none" if one.score is None else shown(one.score) for one in best])
    paths = ""
    if any(one.path != first.path for one in best):
        paths = "; best_model_path is " + each([one.path or "empty" for one in best])
        absent = [str(rank) for rank, one in enumerate(best) if one.path and not one.exists]
        paths += f", which does not exist on rank {', '.join(absent)}" if absent else ""
    evidence = ()
    other = next((one.score for one in best if one.score != first.score), None)
    if other is not None and first.score is not None:
        cause = "each rank takes its own value for the best"
        evidence = (
            Evidence(name, other, first.score, within, fits.world, FIRST, cause, because=FLOAT32),
        )
    return fits.finding(
        "LTN107",
        f"the best {name!r} is {scores}{paths}: the ranks monitor values of their own",
        fits.line(name),
        SYNC.format(name),
        *evidence,
        script=scripts.logged(name),
    )
