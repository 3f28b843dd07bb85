"""Samples of a stream that no rank reads, though one process does."""

from __future__ import annotations

from collections.abc import Sequence

from pl_lint.checks.distributed.fits import Fits
from pl_lint.checks.registry import Gathering
from pl_lint.facts.events import Note
from pl_lint.facts.ranks import Listing

SHARE_ALL = "share out by the number of ranks there is: index % world_size == rank"


def judge_lost(listings: Sequence[Listing], fits: Fits, into: Gathering) -> None:
    """LTN506: what the ranks read together is less than what one process reads.

    Only a stream that ended on every rank has shown all that it reads there; what one process reads
    first is enough to miss something in it.
    """
    about = f"samples that no rank reads, of {listings[0].dataset}"
    known = {one.location for one in into.findings if one.code == "LTN506"}
    if listings[0].location in known or not all(one.samples for one in listings):
        return  # it is told already that the ranks do not share
    if not all(one.ended for one in listings):
        into.undecided.append(Note(about, "it is longer than what is looked at"))
        return
    if any(set(one.reseeded) != set(one.samples) for one in listings):
        into.undecided.append(Note(about, "what it yields depends on the seed"))
        return
    alone = alone_with(listings[0], fits)
    if isinstance(alone, str):
        into.undecided.append(Note(about, alone))
        return
    _compare(alone, listings, about, fits, into)


def _compare(
    alone: Listing, listings: Sequence[Listing], about: str, fits: Fits, into: Gathering
) -> None:
    """Fewer than there are ranks are what no equal parts can be made of."""
    lost = set(alone.samples).difference(*(one.samples for one in listings))
    parts = [len(one.samples) for one in listings]
    if len(lost) < len(listings):
        into.passed += len(alone.samples) >= len(listings)
    elif len(set(parts)) == 1 and _may_be_rest(alone.samples, lost, parts):
        into.undecided.append(Note(about, f"{len(lost)} may be a rest that makes the parts equal"))
    else:
        first = "" if alone.ended else "first "
        read = ", ".join(map(str, parts))
        message = (
            f"{alone.dataset} loses samples: of the {first}{len(alone.samples)} {alone.stage} "
            f"samples that one process reads, {len(lost)} are read by none of {len(parts)} ranks, "
            f"which read {read}"
        )
        place = alone.location or fits.home
        into.findings.append(fits.finding("LTN506", message, place, SHARE_ALL))


def _may_be_rest(samples: Sequence[str], lost: set[str], parts: Sequence[int]) -> bool:
    """Whole files or blocks may be left out of equal parts, fewer of them than there are ranks:
    the last ones, or, where the order is drawn, less than half of a part."""
    at_end = set(samples[len(samples) - len(lost) :]) == lost
    return 2 * len(lost) < parts[0] or (at_end and len(lost) <= (len(parts) - 1) * parts[0])


def alone_with(listing: Listing, fits: Fits) -> Listing | str:
    """What the same loader offers to one process, or why nobody knows."""
    offered = fits.runs.offered_alone()
    same = (one for one in offered if (one.stage, one.loader) == (listing.stage, listing.loader))
    found = next(same, None)
    if found is None or not found.samples:
        return "one process alone reads nothing, or fails"
    if set(found.reseeded) != set(found.samples) and found.ended:
        return "what it yields depends on the seed"
    return found
