"""Lists of one value for each epoch that are kept side by side."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ClassFacts, ListSite, ProjectFacts
from pl_lint.facts.words import words_of
from pl_lint.findings import Finding, Status
from pl_lint.rules.metrics.sanity import IN_SANITY, VALIDATED, runs_no_sanity_check
from pl_lint.rules.registry import Rule, rule

TRAINED = ("on_train_epoch_end", "training_epoch_end")
OF_TRAINING = frozenset({"train", "training", "tr"})
OF_VALIDATION = frozenset({"val", "valid", "validation", "dev", "eval", "evaluation"})
BEFORE = ("__init__", "setup", "on_fit_start")
"""Where lists are made before the sanity check."""
TAKEN = (".pop", ".popleft", ".clear")


@rule(
    "LTN222",
    "history-begins-with-sanity-check",
    rows=("MET04",),
    status=Status.SUSPECTED,
    condition="if the Trainer makes its sanity check, which it does by default",
    calls=TAKEN,
)
def history_begins_early(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A history of validation has one entry more than that of training.

    What it does
    ------------
    Finds two lists that go by one name for training and validation (`self.train_losses`,
    `self.val_losses`), of which one gets an entry when a training epoch ends and the other when a
    validation ends, without a look at `sanity_checking`, and which nothing empties or cuts.

    Why is this bad
    ---------------
    Lightning validates two batches before the first epoch, and calls the hooks of a validation for
    them. The list begins with a value of the untrained module, and whatever puts the two side by
    side shows each value of validation one epoch late: after two epochs, one list held two entries
    and the other three.

    Example
    -------
        class Curves(L.Callback):
            def __init__(self):
                self.train_losses = []
                self.val_losses = []

            def on_train_epoch_end(self, trainer, pl_module):
                self.train_losses.append(trainer.callback_metrics["train_loss"].item())

            def on_validation_epoch_end(self, trainer, pl_module):
                self.val_losses.append(trainer.callback_metrics["val_loss"].item())

    Use instead
    -----------
        class Curves(L.Callback):
            def __init__(self):
                self.train_losses = []
                self.val_losses = []

            def on_train_epoch_end(self, trainer, pl_module):
                self.train_losses.append(trainer.callback_metrics["train_loss"].item())

            def on_validation_epoch_end(self, trainer, pl_module):
                if not trainer.sanity_checking:
                    self.val_losses.append(trainer.callback_metrics["val_loss"].item())

    When to ignore
    --------------
    With `num_sanity_val_steps=0`, or where the two are never compared.

    References
    ----------
    - https://github.com/ashleve/lightning-hydra-template/issues/287
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#num-sanity-val-steps
    """
    if runs_no_sanity_check(facts):
        return
    for owner in facts.logging_classes():
        kept = _histories(facts, owner)
        trained = {_what(site, OF_TRAINING): site for site in kept if site.hook in TRAINED}
        for site in kept:
            beside = trained.get(_what(site, OF_VALIDATION))
            if site.hook in VALIDATED and beside is not None and not any(map(_asks, site.guards)):
                yield self.finding(
                    site.location,
                    f"self.{site.attribute} gets an entry in the sanity check too, and "
                    f"self.{beside.attribute} does not: they are one epoch apart",
                    remedy="add to it only where not trainer.sanity_checking",
                    subject=owner.short_name,
                )


def _histories(facts: ProjectFacts, owner: ClassFacts) -> list[ListSite]:
    """Where entries are added to lists that nothing shortens from the sanity check on, and that no
    other hook adds to."""
    hooks: dict[str, set[str]] = {}
    for site in owner.lists:
        if site.action == "append":
            hooks.setdefault(site.attribute, set()).add(site.hook)
    taken = facts.calls_in(owner, *TAKEN)
    emptied = (site for site in owner.lists if site.action == "clear" and site.hook not in BEFORE)
    shortened = {site.attribute for site in emptied}
    shortened |= {site.attribute for site in owner.lists if site.cut}
    shortened |= {one.attribute for one in owner.assignments if one.hook not in BEFORE}
    shortened |= {site.receiver.rpartition(".")[2] for site in taken if site.receiver}
    return [
        site
        for site in owner.lists
        if site.attribute not in shortened and len(hooks.get(site.attribute, ())) == 1
    ]


def _asks(name: str) -> bool:
    """Whether a condition may tell the sanity check from a validation: by the state of the Trainer,
    by its metrics, by what training has left. A value that is there or not does not."""
    of_trainer = name in (*IN_SANITY, "trainer") or name.endswith(("metrics", "losses"))
    return of_trainer or not OF_TRAINING.isdisjoint(words_of(name))


def _what(site: ListSite, stage: frozenset[str]) -> tuple[str, ...]:
    """What a list is of, by the words of its name without that of its stage; nothing where it names
    none."""
    words = words_of(site.attribute)
    rest = tuple(word for word in words if word not in stage)
    return rest if len(rest) < len(words) else (site.attribute,)
