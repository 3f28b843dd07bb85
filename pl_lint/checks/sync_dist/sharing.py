"""What Lightning itself does to values on several ranks, which no module can help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pl_lint.checks.values.lines import deciding
from pl_lint.facts.events import LogEvent, Note

WORLDS = (2, 3)
PADDING, TRUNCATION = "LTN501", "LTN514"


def padding(stage: str, population: int | None) -> Iterator[Note]:
    """DistributedSampler repeats samples until all ranks have the same number of them."""
    if population is None:
        return
    repeated = {ranks: -population % ranks for ranks in WORLDS if population % ranks}
    if repeated:
        counted = " and ".join(f"{number} on {ranks} ranks" for ranks, number in repeated.items())
        yield Note(
            stage,
            f"Lightning's own, not the module's ({PADDING}): of {population} samples its "
            f"DistributedSampler would count some twice, {counted}; pl-lint leaves them out",
        )


def truncated(name: str, ranks: Sequence[Sequence[LogEvent]]) -> tuple[float, str] | None:
    """A mean cut off: what Lightning logs where ranks give their means different weights.

    The sum of the weights is an int64 tensor, and on gloo the mean over ranks is taken in place:
    what is behind the point is lost (``lightning/fabric/utilities/distributed.py``, ``_sync_ddp``).
    """
    calls = [deciding(events, name) for events in ranks]
    if not all(map(_averaged, calls)):
        return None
    weights = [sum(event.weight or 0.0 for event in mine) for mine in calls]
    sums = [sum((e.value or 0.0) * (e.weight or 0.0) for e in mine) for mine in calls]
    total, whole = sum(weights) / len(ranks), sum(weights) // len(ranks)
    if total == whole or not whole:
        return None
    shown = " and ".join(f"{weight:g}" for weight in weights)
    return sum(sums) / len(ranks) / whole, f"the ranks weighed {shown}"


def _averaged(calls: Sequence[LogEvent]) -> bool:
    return bool(calls) and all(
        call.sync_dist and call.reduce_fx == "mean" and call.value is not None for call in calls
    )
