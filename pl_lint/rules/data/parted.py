"""Transforms that are set on one part of a data set."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.sites import PartedSite, ProjectFacts, SetTransform
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule

BUILT = "dataset.transform"
"""What the ``transform=`` of a data set is, as a part reaches it."""
TWICE = "build the data set twice, each with its transform, and take a Subset of each"


@rule("LTN812", "transform-of-a-part", rows=("DAT03",))
def transform_of_a_part(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A transform is set on one part of a split, and holds for all of them or for none.

    What it does
    ------------
    Finds `val.dataset.transform = plain` after `train, val = random_split(data, ...)`, or after two
    Subsets of one `data`, where `train` was to go through something else: what it is given in the
    same way, or what `data` was built with. And `val.transform = plain`, which nothing reads: a
    Subset has no transform. Silent where a part gets a data set of its own (`copy.copy`), or where
    only its indices are used.

    Why is this bad
    ---------------
    Both parts hold the same data set, so that the transform that is set last is that of both: the
    network is trained without its augmentation, or validated on images that are changed at random.
    What is set on the part itself changes nothing. No error, no warning; the scores are merely
    worse.

    Example
    -------
        def setup(self, stage):
            data = torchvision.datasets.CIFAR10(".", transform=self.augment)
            self.train_set, self.val_set = random_split(data, [45000, 5000])
            self.val_set.dataset.transform = self.plain

    Use instead
    -----------
        def setup(self, stage):
            train = torchvision.datasets.CIFAR10(".", transform=self.augment)
            plain = torchvision.datasets.CIFAR10(".", transform=self.plain)
            generator = torch.Generator().manual_seed(0)
            order = torch.randperm(50000, generator=generator).tolist()
            self.train_set = torch.utils.data.Subset(train, order[:45000])
            self.val_set = torch.utils.data.Subset(plain, order[45000:])

    When to ignore
    --------------
    Where the transforms are set again before each pass over one of the parts.

    References
    ----------
    - https://pytorch.org/docs/stable/data.html#torch.utils.data.Subset
    - https://github.com/pytorch/pytorch/issues/41398
    """
    switched = _is_switched(facts)
    for split in facts.parted:
        if not facts.in_tests(split.location):
            yield from _set_for_all(self, split) if not switched else ()
            yield from _set_for_none(self, split)


def _is_switched(facts: ProjectFacts) -> bool:
    """Whether other code sets transforms too, as a callback does before each pass over the data."""
    known = {one.location for split in facts.parted for one in split.sets}
    stores = (one for one in facts.reaches if one.attribute.endswith("transform"))
    return any(one.location not in known for one in stores)


def _set_for_all(self: Rule, split: PartedSite) -> Iterator[Finding]:
    for last, other, meant in overridden(split):
        yield self.finding(
            last.location,
            f"{other} has the same data set: it goes through {_short(last.given)} as well, not "
            f"through {_short(meant)}",
            remedy=TWICE,
        )


FOR_TRAINING = re.compile("train|aug", re.IGNORECASE)
DRAWS = re.compile("train|aug|rand|flip|jitter|rotat", re.IGNORECASE)
FOR_LATER = re.compile("val|test|eval", re.IGNORECASE)
"""Words of transforms that are for one stage."""


def overridden(split: PartedSite) -> Iterator[tuple[SetTransform, str, str]]:
    """The transform that is set last on a shared data set, the part that was to go through
    another one, and that one."""
    for through in dict.fromkeys(one.through for one in split.sets if "dataset." in one.through):
        on_parts = {one.part: one for one in split.sets if one.through == through}
        last = max(on_parts.values(), key=lambda one: one.location.order)
        meant = {
            part: on_parts[part].given if part in on_parts else _as_built(split, part, last)
            for part in split.parts
        }
        other = next((part for part, text in meant.items() if text not in ("", last.given)), None)
        if other is not None:
            yield last, other, meant[other]


def _as_built(split: PartedSite, part: str, last: SetTransform) -> str:
    """What a part that nothing is set on was to go through: what the data set was built with, if
    one of the two is by its words for one stage only. Else it may be replaced for all parts, when
    their statistics are known, say."""
    trains = "train" in f"{part} {split.built_with}".lower() and "train" not in last.part.lower()
    apart = DRAWS.search(split.built_with) or FOR_LATER.search(last.given)
    own = last.through == BUILT and split.built_with != "None"
    fits = (trains and apart) or FOR_TRAINING.search(last.given)
    return split.built_with if own and fits else ""


def _set_for_none(self: Rule, split: PartedSite) -> Iterator[Finding]:
    for one in split.sets:
        unread = "." not in one.through and one.through not in split.read_as
        changes = one.given not in ("None", split.built_with)
        if unread and changes and one.part in split.parts:
            yield self.finding(
                one.location,
                f"{one.part} has no transform of its own, and nothing reads this one: its samples "
                "go through what the data set was built with",
                remedy=TWICE,
            )


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:36]}..."
