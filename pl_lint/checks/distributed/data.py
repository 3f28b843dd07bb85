"""Which samples the loaders of each rank have: the same splits, and other parts of a stream."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

from pl_lint.checks.distributed import script as scripts
from pl_lint.checks.distributed.fits import Fits, each
from pl_lint.checks.distributed.lost import alone_with, judge_lost
from pl_lint.checks.registry import Gathering
from pl_lint.facts.events import Note, sentence
from pl_lint.facts.ranks import Listing, RankFit, Split
from pl_lint.findings import Evidence, Finding, Location

SPLIT = "random_split(data, lengths, generator=torch.Generator().manual_seed(0))"
SHARE = "yield every n-th sample only, by rank and by torch.utils.data.get_worker_info()"


def judge_data(fits: Fits, into: Gathering) -> None:
    for listings in zip(*(rank.listings for rank in fits.ranks), strict=False):
        if listings[0].stream:
            _judge_stream(listings, fits, into)
            _judge_workers(listings[0], fits, into)
            judge_lost(listings, fits, into)
        else:
            _judge_split(listings, fits, into)


def _judge_split(listings: Sequence[Listing], fits: Fits, into: Gathering) -> None:
    """LTN406: ranks have other samples of a stage, because each drew a split of its own.

    That they have others is no fault by itself: a rank's own part of the training data is disjoint
    from the other's, too. A split of its own shows in the permutation that ``random_split`` drew,
    or in samples that one rank holds back and another one trains on.
    """
    first = listings[0]
    if all(set(one.samples) == set(first.samples) for one in listings):
        _judge_equal_splits(fits.ranks[0].splits, into)
        return
    if any(finding.code in ("LTN406", "LTN502") for finding in into.findings):
        return  # the other stages of the same split
    if any(one.read is not None for one in fits.ranks[0].assigned):
        return  # that is why, and it is told with the rest of the state
    drawn, steady = _own_split(fits), all(one.again in ((), one.samples) for one in listings)
    leaked = _leaked(fits) if steady else 0
    if not drawn and not leaked:
        into.undecided += _why_others(listings, steady)
        return
    drawn = drawn or _own_subsets(fits)
    message = _other_samples(listings, steady) + _begun(drawn)
    if leaked:
        message += f"; {leaked} that one rank validates on, another one trains on"
    shows = scripts.split() if first.stage == "train" else None
    at = drawn[0].location if drawn else _split(fits)
    evidence = _counts(listings, fits) if steady else ()
    into.findings.append(fits.finding("LTN406", message, at, SPLIT, *evidence, script=shows))


def _judge_equal_splits(splits: Sequence[Split], into: Gathering) -> None:
    """pl-lint seeds its ranks alike; nobody promises that of ranks that are launched."""
    by_kit = [split for split in splits if split.by_kit]
    into.passed += len(splits) > len(by_kit)
    known = {note.subject for note in into.untriggered}
    for split in by_kit:
        subject = f"random_split at {split.location}"
        if subject not in known:
            into.untriggered.append(Note(subject, _SEEDED_ALIKE))


_SEEDED_ALIKE = (
    "equal on all ranks only because they were seeded alike: give it a generator of its own, or "
    "call seed_everything on every rank"
)


def _other_samples(listings: Sequence[Listing], steady: bool) -> str:
    first, rank = listings[0], _first_other(listings)
    if not steady:  # the samples themselves are drawn anew each time
        return f"the {first.stage} data of rank {rank} come from another random_split than rank 0's"
    other = len(set(listings[rank].samples) - set(first.samples))
    return (
        f"the {first.stage} data of rank {rank} are other samples than those of rank 0: {other} of "
        f"{len(first.samples)} looked at"
    )


def _first_other(listings: Sequence[Listing]) -> int:
    """The first rank that has other samples than rank zero."""
    own = set(listings[0].samples)
    return next(rank for rank, one in enumerate(listings) if set(one.samples) != own)


def _counts(listings: Sequence[Listing], fits: Fits) -> Iterator[Evidence]:
    """How many samples a rank has in common with rank zero, of as many as were looked at."""
    rank = _first_other(listings)
    own = set(listings[0].samples)
    yield Evidence(
        key=f"{listings[0].stage} samples of rank {rank} that rank 0 has, too",
        logged=len(own & set(listings[rank].samples)),
        true=len(own),
        tolerance=0.0,
        world=fits.world,
        how=f"the first {len(listings[0].samples)} samples of each rank's own loader, by content, "
        "before they are shared out",
        words=("counted", "expected"),
    )


def _begun(drawn: Sequence[Split]) -> str:
    """How the orders begin that the ranks drew."""
    begun = [", ".join(map(str, split.first)) for split in drawn]
    return f"; its indices begin with {each(begun)}" if all(begun) and begun else ""


def _own_split(fits: Fits) -> Sequence[Split]:
    """A ``random_split`` that every rank called, and drew another permutation from."""
    return _first_unlike([rank.splits for rank in fits.ranks])


def _own_subsets(fits: Fits) -> Sequence[Split]:
    """The same of a split by hand: its ``Subset``."""
    return _first_unlike([rank.subsets for rank in fits.ranks])


def _first_unlike(ranks: Sequence[Sequence[Split]]) -> Sequence[Split]:
    """The first where ranks that went the same way have other orders."""
    if any([one.location for one in mine] != [one.location for one in ranks[0]] for mine in ranks):
        return ()
    for splits in zip(*ranks, strict=True):
        if any(split.order != splits[0].order for split in splits):
            return splits
    return ()


def _split(fits: Fits) -> Location:
    """Where what ranks hold back is parted from what they train on, without ``random_split``."""
    made = (*fits.ranks[0].splits, *fits.ranks[0].subsets)
    return made[0].location if made else fits.home


def _why_others(listings: Sequence[Listing], steady: bool) -> Iterator[Note]:
    """Parts that have nothing in common are the user's own way of sharing out."""
    if not steady:
        yield Note(listings[0].dataset, "gives other samples each time that it is asked")
    elif set.intersection(*(set(one.samples) for one in listings)):
        why = "each rank has other samples, and no random_split made them"
        yield Note(listings[0].dataset, why)


def _leaked(fits: Fits) -> int:
    """How many validation samples of one rank another one trains on, though none does on its
    own."""
    for one in fits.ranks:
        held, own = _samples(one, training=False), _samples(one, training=True)
        for other in fits.ranks:
            taught = _samples(other, training=True)
            if not held & own and held & taught:
                return len(held & taught)
    return 0


def _samples(rank: RankFit, training: bool) -> set[str]:
    return {s for one in rank.listings if (one.stage == "train") is training for s in one.samples}


def _judge_stream(listings: Sequence[Listing], fits: Fits, into: Gathering) -> None:
    """LTN506: every rank reads all of a stream. What is drawn at random is the same on ranks that
    were seeded alike, however it is shared out; a set of samples that no seed changes is not."""
    first = listings[0]
    if len(first.samples) < 2 or any(not one.samples for one in listings):
        into.untriggered.append(
            sentence(f"{first.dataset} yields too little to tell the ranks apart")
        )
        return
    ranks, common = _most_in_common(listings)
    if common:
        ranks, common = _most_in_common(listings, alone_with(first, fits))
    if not common:
        into.passed += 1
        return
    if not all(is_steady(listings[rank]) for rank in ranks):
        into.undecided.append(Note(first.dataset, _SEEDED))
        return
    shuffled = "" if first.reseeded == first.samples else ", in whatever order"
    message = (
        f"{first.dataset} yields the same samples on ranks {ranks[0]} and {ranks[1]}{shuffled}: "
        f"{common} of the first {len(first.samples)} {first.stage} samples are read by both of them"
    )
    _tell(fits.finding("LTN506", message, first.location or fits.home, SHARE), into)


_SEEDED = "what it yields depends on the seed"


def is_steady(one: Listing) -> bool:
    """Whether a stream yields the same samples from every seed, in whichever order."""
    return _are_same(one.samples, one.reseeded, one.ended)


def _are_same(samples: Sequence[str], reseeded: Sequence[str], ended: bool) -> bool:
    return samples == reseeded or (ended and Counter(samples) == Counter(reseeded))


def _most_in_common(
    ranks: Sequence[Listing], alone: Listing | str = ""
) -> tuple[tuple[int, int], int]:
    """The two ranks with most samples in common, and how many: a stream may be shared out between
    two ranks, whichever number of them there is."""
    shared = {
        (one, other): _common(ranks[one].samples, ranks[other].samples, alone)
        for one, other in itertools.combinations(range(len(ranks)), 2)
    }
    return max(shared.items(), key=lambda pair: pair[1])


def _common(one: Sequence[str], other: Sequence[str], alone: Listing | str) -> int:
    """How many samples two readers have in common. Where all that one process reads is known, two
    equal samples in it may go to a reader each."""
    mine, theirs = Counter(one), Counter(other)
    shared = mine & theirs
    if isinstance(alone, Listing) and alone.ended:
        shared &= (mine + theirs) - Counter(alone.samples)
    return shared.total()


def _tell(finding: Finding, into: Gathering) -> None:
    """Once for each class: training and validation may read the same one."""
    known = {(one.code, one.location) for one in into.findings}
    if (finding.code, finding.location) not in known:
        into.findings.append(finding)


def _judge_workers(one: Listing, fits: Fits, into: Gathering) -> None:
    """LTN507: every worker of a loader reads all of a stream. The workers of a rank are seeded
    apart, so that what a seed decides would differ between them."""
    if not one.by_worker:
        return
    pairs = zip(one.by_worker, one.reseeded_by_worker, strict=True)
    if not is_steady(one) or not all(_are_same(*pair, one.ended) for pair in pairs):
        into.undecided.append(Note(f"the workers of {one.dataset}", _SEEDED))
        return
    first, second = one.by_worker
    common = _common(first, second, one)
    if not common:
        into.passed += any(one.by_worker)
        return
    message = (
        f"{one.dataset} yields the same samples in every worker of its loader: "
        f"{common} of {len(one.samples)} {one.stage} samples are read twice by two workers"
    )
    _tell(fits.finding("LTN507", message, one.location or fits.home, SHARE), into)
