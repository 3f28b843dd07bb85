"""Optimizers that are put in the place of others while training goes on."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ClassFacts, ItemSite, ProjectFacts
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding
from pl_lint.rules.judging import version_at
from pl_lint.rules.registry import Rule, rule

LISTS = ("trainer.optimizers", "trainer.strategy.optimizers")
SETUP = ".setup_optimizers"
"""What of a strategy makes all of them anew."""
OWN, PLAIN = "self.optimizers", "use_pl_optimizer"
"""What gives a module Lightning's wrappers, unless it asks for the plain optimizers."""
OLD = frozenset({"optimizer", "optimizers", "opt"})
"""What the optimizer that was there is called, which some functions hand back."""


@rule("LTN740", "optimizer-put-in-the-list", rows=(), calls=(SETUP, OWN))
def optimizer_put_in_the_list(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A new optimizer is put into `trainer.optimizers[...]`, where Lightning does not look.

    What it does
    ------------
    Finds `trainer.optimizers[0] = torch.optim.Adam(...)`, or what another call or
    `configure_optimizers` has made, in code for Lightning 2. Silent where the call is given the
    optimizer that was there, where the class assigns the whole list too, and in projects with
    manual optimization that does not ask for `self.optimizers()`: it may step the items of this
    list by hand.

    Why is this bad
    ---------------
    Lightning steps its own wrappers, which it makes when the whole list is assigned. An item that
    is replaced leaves them as they are: the old optimizer goes on with its old parameters, learning
    rate and momentum, and the new one makes no step. Layers that were unfrozen for it never move,
    and nothing is said. Checkpoints hold the state of the new one, that has done nothing.

    Example
    -------
        class Unfreeze(pl.Callback):
            def on_train_epoch_start(self, trainer, pl_module):
                if trainer.current_epoch == 5:
                    pl_module.backbone.requires_grad_(True)
                    trainer.optimizers[0] = torch.optim.Adam(pl_module.parameters(), lr=1e-5)

    Use instead
    -----------
        class Unfreeze(pl.Callback):
            def on_train_epoch_start(self, trainer, pl_module):
                if trainer.current_epoch == 5:
                    pl_module.backbone.requires_grad_(True)
                    trainer.optimizers = [torch.optim.Adam(pl_module.parameters(), lr=1e-5)]

    A scheduler goes on with the optimizer that it was made for. To add parameters,
    `BaseFinetuning` gives the optimizer that is there another group of them.

    When to ignore
    --------------
    Where other code steps the items of this list.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.BaseFinetuning.html
    """
    if any(_may_step_the_list(facts, one) for one in facts.classes):
        return
    told = set()
    for owner in facts.classes:
        items = () if _assigns_all(facts, owner) else owner.items
        for item in items:
            if _is_new(item) and item.location not in told:
                told.add(item.location)
                if version_at(facts, item.location) >= (2, 0):
                    yield self.finding(
                        item.location,
                        "Lightning goes on with the optimizer that was there: it steps the wrappers"
                        " that it made when the whole list was assigned",
                        remedy=f"assign a list to {item.attribute}",
                        subject=owner.short_name,
                    )


def _may_step_the_list(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether a module steps by hand, and something else than Lightning's own wrappers, or code
    goes to these by their name."""
    wrappers = any(must_be(one.argument(PLAIN, 0), None) for one in facts.calls_in(owner, OWN))
    by_name = any("_lightning_optimizers" in one.words for one in owner.own_methods)
    return by_name or (owner.optimization != "automatic" and not wrappers)


def _is_new(item: ItemSite) -> bool:
    """Whether a call has made what is put into the list, of something else than what was there."""
    return item.attribute in LISTS and bool(item.made_of) and OLD.isdisjoint(item.made_of)


def _assigns_all(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether a class has Lightning make its wrappers anew."""
    given = (one for one in facts.reaches if one.owner == owner.name)
    return bool(facts.calls_in(owner, SETUP)) or any(one.attribute == "optimizers" for one in given)
