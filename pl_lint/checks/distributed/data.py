"""Which samples the loaders of each rank have: the same splits, and other parts of a stream."""

from __future__ import annotations

from collections.abc import Sequence

from pl_lint.checks.distributed.fits import Fits
from pl_lint.checks.registry import Gathering
from pl_lint.facts.ranks import Listing
from pl_lint.findings import Finding

SPLIT = "random_split(data, lengths, generator=torch.Generator().manual_seed(0))"
SHARE = "yield every n-th sample only, by rank and by torch.utils.data.get_worker_info()"


def judge_data(fits: Fits, into: Gathering) -> None:
    for listings in zip(*(rank.listings for rank in fits.ranks), strict=False):
        if listings[0].stream:
            _judge_stream(listings, fits, into)
            _judge_workers(listings[0], fits, into)
        else:
            _judge_split(listings, fits, into)


def _judge_split(listings: Sequence[Listing], fits: Fits, into: Gathering) -> None:
    """LTN406: ranks that were seeded alike have other samples of a stage."""
    first = listings[0]
    if all(set(one.samples) == set(first.samples) for one in listings):
        into.passed += bool(fits.ranks[0].splits)
        return
    if any(finding.code in ("LTN406", "LTN502") for finding in into.findings):
        return  # the other stages of the same split
    prepared = next((a for a in fits.ranks[0].assigned if a.read is not None), None)
    if prepared is not None:
        return  # that is why, and it is told with the rest of the state
    leaked = _leaked(fits)
    other = len(set(listings[-1].samples) - set(first.samples))
    message = (
        f"the {first.stage} data of rank {len(listings) - 1} are other samples than those of rank "
        f"0: {other} of {len(first.samples)} looked at{leaked}"
    )
    splits = fits.ranks[0].splits
    place = splits[0] if splits else fits.home
    into.findings.append(fits.finding("LTN406", message, place, SPLIT))


def _leaked(fits: Fits) -> str:
    """Validation samples of one rank that another one trains on."""
    for one in fits.ranks:
        held = {s for each in one.listings if each.stage != "train" for s in each.samples}
        for other in fits.ranks:
            taught = {s for each in other.listings if each.stage == "train" for s in each.samples}
            if other is not one and held & taught:
                return f"; {len(held & taught)} that one rank validates on, another one trains on"
    return ""


def _judge_stream(listings: Sequence[Listing], fits: Fits, into: Gathering) -> None:
    """LTN506: every rank reads all of a stream. One that is drawn at random is the same on ranks
    that were seeded alike, however it is shared out."""
    first = listings[0]
    if len(first.samples) < 2 or any(not one.samples for one in listings):
        into.untriggered.append(f"{first.dataset} yields too little to tell the ranks apart")
        return
    common = set.intersection(*(set(one.samples) for one in listings))
    if not common:
        into.passed += 1
        return
    if first.reseeded != first.samples:
        into.undecided.append(f"{first.dataset}: what it yields depends on the seed")
        return
    message = (
        f"{first.dataset} yields the same samples on every rank: {len(common)} of the first "
        f"{len(first.samples)} {first.stage} samples are read by all of them"
    )
    _tell(fits.finding("LTN506", message, first.location or fits.home, SHARE), into)


def _tell(finding: Finding, into: Gathering) -> None:
    """Once for each class: training and validation may read the same one."""
    known = {(one.code, one.location) for one in into.findings}
    if (finding.code, finding.location) not in known:
        into.findings.append(finding)


def _judge_workers(one: Listing, fits: Fits, into: Gathering) -> None:
    """LTN507: every worker of a loader reads all of a stream."""
    if not one.by_worker or one.reseeded != one.samples:
        return
    common = set.intersection(*map(set, one.by_worker))
    if not common:
        into.passed += any(one.by_worker)
        return
    message = (
        f"{one.dataset} yields the same samples in every worker of its loader: "
        f"{len(common)} of {len(one.samples)} {one.stage} samples are read twice by two workers"
    )
    _tell(fits.finding("LTN507", message, one.location or fits.home, SHARE), into)
