"""A part of the data that is drawn with replacement, where a part is meant."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import SUBSETS
from pl_lint.facts.sites import CallSite, ProjectFacts
from pl_lint.facts.values import Known
from pl_lint.findings import Finding, Status
from pl_lint.rules.registry import Rule, rule

CHOOSING = tuple(f"numpy.random.{name}choice" for name in ("", "Generator.", "RandomState."))
ONE = (Known(None), Known(1), Known(()))


@rule(
    "LTN816",
    "part-drawn-with-replacement",
    rows=(),
    status=Status.SUSPECTED,
    condition="unless samples are meant to come twice, as in a bootstrap",
    calls=(*CHOOSING, *SUBSETS),
)
def part_drawn_with_replacement(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A part of the data is drawn with replacement: some samples come twice.

    What it does
    ------------
    Finds `choice` of numpy that is asked for several items and says nothing of `replace=` and
    `p=`, where a list takes its own place (`self.files = rng.choice(self.files, count)`), or where
    the same function makes a `Subset` of the numbers.

    Why is this bad
    ---------------
    `replace=True` is numpy's default. Of a tenth of the files one in twenty is another's copy, and
    of as many as there are a third is never drawn: the part is smaller than it says, what is
    trained on is weighted by chance, and scores count some samples twice. Python's `random.sample`,
    which reads alike, draws without replacement.

    Example
    -------
        class Songs(torch.utils.data.Dataset):
            def __init__(self, files, share):
                self.files = files
                self.files = np.random.choice(self.files, int(share * len(self.files)))

    Use instead
    -----------
        class Songs(torch.utils.data.Dataset):
            def __init__(self, files, share):
                count = int(share * len(files))
                self.files = np.random.choice(files, count, replace=False)

    When to ignore
    --------------
    In a bootstrap: `replace=True` says so.

    References
    ----------
    - https://numpy.org/doc/stable/reference/random/generated/numpy.random.Generator.choice.html
    """
    for call in facts.calls_of(*CHOOSING):
        several = call.gives("size", 1) and call.argument("size", 1) not in ONE
        said = call.gives("replace", 2) or call.gives("p", 3) or not call.complete
        part = _takes_its_own_place(call) or _makes_a_subset(facts, call)
        if several and part and not said and not facts.in_tests(call.location):
            yield self.finding(
                call.location,
                "choice draws with replacement: some of these come twice, others not at all",
                remedy="pass replace=False",
            )


def _takes_its_own_place(call: CallSite) -> bool:
    """``self.files = rng.choice(self.files, count)``, where the object is built."""
    given = dict(call.written)
    first = given.get("0", given.get("a", ""))
    return first.startswith("self.") and first == call.assigned and not call.items_of


def _makes_a_subset(facts: ProjectFacts, call: CallSite) -> bool:
    """``Subset(data, numbers)`` of what was drawn, in the same function."""
    place = (call.location.path, call.owner, call.function)
    return bool(call.assigned) and any(
        call.assigned in (dict(one.written).get("1"), dict(one.written).get("indices"))
        for one in facts.calls_of(*SUBSETS)
        if (one.location.path, one.owner, one.function) == place and one.location > call.location
    )
