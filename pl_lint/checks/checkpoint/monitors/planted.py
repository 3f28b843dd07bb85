"""What planted scores say of a callback, as evidence."""

from __future__ import annotations

from pl_lint.checks.values.numbers import ABSOLUTE, RELATIVE, same, tolerance
from pl_lint.facts.watchers import PlantedFile, PlantedKeeper, PlantedOffer
from pl_lint.findings import Evidence

FITTED = "planted scores, 4 epochs of 4 steps"
AS_PLANTED = (
    f"{RELATIVE:g} of the score, and {ABSOLUTE:g}: a planted score comes back as it was given, but "
    "for the digits that float32 does not have"
)


def evidence_of(
    key: str, logged: float, true: float, how: str, cause: str = "", world: str = FITTED
) -> Evidence:
    return Evidence(key, logged, true, tolerance(true), world, how, cause, AS_PLANTED)


def offered(keeper: PlantedKeeper) -> list[float]:
    """The scores that it had to choose from."""
    return [offer.score for offer in keeper.offers]


def is_stale(judged: PlantedFile | PlantedOffer) -> bool:
    """Whether weights were judged by what others score."""
    return judged.score is not None and not same(judged.score, judged.true, tolerance(judged.true))
