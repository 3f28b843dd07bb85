"""A run on several ranks that failed where one process did not: which rank, where, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pl_lint.checks.sync_dist.pairing import EVERYWHERE, is_reduced
from pl_lint.facts.events import CaseFacts, LogEvent, RunError
from pl_lint.findings import Finding, Status

GLOO = re.compile(
    r"^(?:\[[^\]]*(?:gloo|c10d)[^\]]*\]:?\s*|(?=Application timeout caused pair closure))",
    re.IGNORECASE,
)
"""How messages of the communication library begin: mostly with a place in its own source."""
_FRAME = re.compile(r'^ *File "(?P<path>[^"]+)", line (?P<line>\d+), in .*\n *(?P<text>.*)$', re.M)
"""How a traceback names a line of source."""
ADVICE = re.compile(r"\. This is typically.*", re.DOTALL)


@dataclass(frozen=True)
class Ended:
    """How one rank ended, and what it had logged up to then."""

    error: RunError | None
    events: Sequence[LogEvent]


def crash(ranks: Sequence[Ended], what: str, case: CaseFacts) -> Finding:
    """A rank with an error of its own comes first: that of a rank that waited for it is noise.

    Where all of them only waited for each other, what they logged up to there tells why: the
    reductions of ``sync_dist`` pair up in their order, not by key.
    """
    rank, error = telling([done.error for done in ranks])
    waited = is_noise(error)
    unequal = list(_unequal(ranks)) if waited else []
    said = [f"rank {rank} raised {_plain(error)}", *(whereabouts(ranks) if waited else ())]
    calls = [f"only rank {i} called self.log({e.name!r}) at {e.location}" for i, e in unequal]
    place = unequal[0][1].location if unequal else error.location
    works = f"{what} works in one process and fails on {in_words(len(ranks))} ranks"
    return Finding(
        code="LTN110" if unequal else what_failed(error),
        message=f"{works}: " + "; ".join([*said, *calls]),
        location=place or case.home,
        status=Status.PROVED,
        remedy=EVERYWHERE if unequal else "see the traceback of the rank that failed first",
        subject=case.module,
    )


def refusal(errors: Sequence[RunError | None]) -> str:
    """Why the module's code refuses to run on so many ranks, if it says so by a statement of its
    own on each of them (a batch size that is no multiple of the number of devices); else empty.

    That is a decision, and loud: nothing that a user could overlook.
    """
    told = [error for error in errors if error is not None and _is_raised_by_user(error)]
    if not errors or len(told) < len(errors) or len({one.location for one in told}) > 1:
        return ""
    return f"the code refuses {in_words(len(errors))} ranks: {told[0]}"


def _is_raised_by_user(error: RunError) -> bool:
    """Whether the innermost line of the traceback is the user's own ``raise`` or ``assert``."""
    frame = list(_FRAME.finditer(error.traceback))[-1:]
    place = error.location
    return place is not None and any(
        (found["path"], int(found["line"])) == (place.path, place.line)
        and found["text"].startswith(("raise ", "assert "))
        for found in frame
    )


def what_failed(error: RunError) -> str:
    """The name of the check whose run it was."""
    return "distributed" if error.during == "fit" else "sync-dist"


def in_words(number: int) -> str:
    return {2: "two", 3: "three"}.get(number, str(number))


def telling(errors: Sequence[RunError | None]) -> tuple[int, RunError]:
    """The rank whose error says most, and that error."""
    known = [(rank, error) for rank, error in enumerate(errors) if error is not None]
    return next((pair for pair in known if not is_noise(pair[1])), known[0])


def is_noise(error: RunError) -> bool:
    """Whether a rank only says that it lost, or waited in vain for, another one."""
    return GLOO.match(error.message) is not None


def _plain(error: RunError) -> str:
    """The error as the user should read it: of the communication library's the first sentence."""
    if not is_noise(error):
        return str(error)
    first = ADVICE.sub("", GLOO.sub("", error.message)).split("\n")[0]
    return str(replace(error, message=f"{first} (waiting for another rank)"))


def whereabouts(ranks: Sequence[Ended]) -> Iterator[str]:
    """Where each rank was, by all its lines of the user's code; one that came to its end first lost
    nobody."""
    for rank, done in enumerate(ranks):
        if done.error is None:
            yield f"rank {rank} had come to its end"
        elif done.error.stack:
            yield f"rank {rank} was at {' > '.join(done.error.stack)}"
        else:
            yield f"rank {rank} was at {done.error.location or 'no line of the module'}"


def _unequal(ranks: Sequence[Ended]) -> Iterator[tuple[int, LogEvent]]:
    """The first call of each key with sync_dist that not every rank logged, with its rank."""
    keys = [{event.name for event in done.events if is_reduced(event)} for done in ranks]
    shared = set.intersection(*keys)
    for rank, done in enumerate(ranks):
        first = {event.name: event for event in reversed(done.events) if is_reduced(event)}
        mine = [event for name, event in first.items() if name not in shared]
        yield from ((rank, event) for event in reversed(mine))
