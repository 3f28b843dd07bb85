"""Data modules that are asked for what they do not know yet."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule


@rule("LTN753", "data-module-read-too-early", rows=())
def read_too_early(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A script reads an attribute of a data module that only setup() or prepare_data() fills.

    What it does
    ------------
    Finds code that makes a LightningDataModule and reads, before it calls a method of it or gives
    it to anything, an attribute that `__init__` leaves empty (`None`, `0`, `[]`) or does not have,
    and that `prepare_data()` or `setup()` sets. Silent where only a condition asks for it, where
    the class has other ways to get attributes, and where a base class is not known.

    Why is this bad
    ---------------
    Lightning calls `prepare_data()` and `setup()` when the fit begins, which is later than the line
    that builds the module. The module is built with no classes, no weights or no vocabulary. Where
    that does not end in an error, nothing says so.

    Example
    -------
        class Fruit(LightningDataModule):
            def __init__(self):
                super().__init__()
                self.names = []

            def setup(self, stage):
                self.names = read_names()

        data = Fruit()
        model = Classifier(names=data.names)
        Trainer(max_epochs=3).fit(model, data)

    Use instead
    -----------
        class Fruit(LightningDataModule):
            def __init__(self):
                super().__init__()
                self.names = []

            def setup(self, stage):
                self.names = read_names()

        data = Fruit()
        data.prepare_data()
        data.setup("fit")
        model = Classifier(names=data.names)
        Trainer(max_epochs=3).fit(model, data)

    When to ignore
    --------------
    Where the empty value is meant.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/data/datamodule.html
    """
    for site in facts.unprepared:
        if not facts.in_tests(site.location):
            yield self.finding(
                site.location,
                f"`{site.name}.{site.attribute}` has its value from setup() or prepare_data(), "
                "which nobody has called yet",
                remedy=f"call {site.name}.prepare_data() and {site.name}.setup(...) before",
                subject=site.name,
            )
