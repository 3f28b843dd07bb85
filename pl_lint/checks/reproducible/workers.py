"""Do loader workers draw something new, in each of them and in each epoch?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pl_lint.checks import proving
from pl_lint.checks.registry import Gathering
from pl_lint.checks.reproducible.reporting import found
from pl_lint.facts.events import CaseFacts, Note, sentence
from pl_lint.facts.repetition import WorkerDraws
from pl_lint.findings import Finding

CHANCE = 1e-4
"""How likely two equal sequences of honest draws may be for the equality to mean something."""
REMEDY = (
    "draw from torch's, random's or numpy's global generators, or make the generator in the "
    "worker: np.random.default_rng(torch.utils.data.get_worker_info().seed)"
)
ANEW = (
    "draw from torch's, random's or numpy's global generators, or seed by the sample's index and "
    "the epoch"
)


def judge_draws(draws: WorkerDraws, case: CaseFacts, into: Gathering) -> None:
    """A loader's draws; what its data set draws in workers that it has not got is a note."""
    if draws.skipped:
        if draws.own_workers:
            into.undecided.append(Note(f"the draws of {draws.dataset}", draws.skipped))
        return
    _judge_anew(draws, case, into)
    repeated = _repeated(draws)
    if repeated and draws.own_workers:
        into.findings.append(_copied(draws, repeated, case))
    elif repeated:
        into.notes.append(
            Note(
                draws.dataset,
                f"with num_workers={draws.workers}, {repeated}{_held(draws)}; "
                f"the loader has no workers",
            )
        )


def _judge_anew(draws: WorkerDraws, case: CaseFacts, into: Gathering) -> None:
    """A generator that is made for each sample with one seed. What is added to all samples alike is
    no noise; a permutation or a mask may well be meant to be the same for all of them."""
    for made in draws.anew:
        said = (
            f"{made.call} is made anew for each sample of {draws.dataset}, and draws the same for "
            "every sample in every epoch"
        )
        if made.added:
            message = f"{said}: with another seed all samples move by the same amount"
            finding = proving.found(case, "reproducible", message, ANEW, made.location, ())
            into.findings.append(finding)
        else:
            doubt = f"{said} (at {made.location}): whether an augmentation is meant is not known"
            into.undecided.append(sentence(doubt))


def _repeated(draws: WorkerDraws) -> str:
    """In which way the draws repeat that should not; empty if they do not, or if that could be
    chance."""
    if not draws.here or len(draws.epochs) < 2:
        return ""
    first, second = draws.epochs[:2]
    said = []
    if first == second and _chance(draws.here, sum(map(len, first))) < CHANCE:
        said.append("the second epoch draws what the first one drew")
    alike = len(first) > 1 and len(set(first)) == 1
    if alike and _chance(draws.here, len(first[0])) < CHANCE:
        said.append("all workers draw the same")
    if not said:
        return ""
    everything = [draw for epoch in draws.epochs for worker in epoch for draw in worker]
    count = f"{len(set(everything))} of {len(everything)} draws are different ones"
    return f"{' and '.join(said)} ({count})"


def _chance(here: Sequence[str], length: int) -> float:
    """How likely two independent sequences are equal, by how often two draws of one process are."""
    total = len(here)
    alike = sum((count / total) ** 2 for count in Counter(here).values())
    return alike**length


def _held(draws: WorkerDraws) -> str:
    if not draws.generators:
        return ""
    names = ", ".join(f"{each.name}, a {each.kind}" for each in draws.generators[:2])
    return f", because each gets a copy of {names}"


def _copied(draws: WorkerDraws, repeated: str, case: CaseFacts) -> Finding:
    place = draws.generators[0].location if draws.generators else draws.worker_init
    cause = _held(draws)
    if not cause and draws.worker_init is not None:
        cause = ", because worker_init_fn seeds each of them alike"
    return found(
        "LTN405",
        f"asked for one sample of {draws.dataset} again and again with {draws.workers} workers, "
        f"{repeated}{cause}",
        place or draws.location,
        REMEDY,
        case,
    )
