"""Callbacks that are made and given to no Trainer."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import LeftOutSite, ProjectFacts, TrainerSite
from pl_lint.facts.values import ABSENT, UNKNOWN, Known, Made, Several, Value, must_be
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule

BY_SETTINGS = ("hydra.utils.instantiate", "callbacks=")
"""A Trainer that settings describe, with callbacks from the code."""
OTHERWISE = ("enable_checkpointing", "checkpoint_callback", "early_stop_callback")
"""Arguments by which a Trainer is told of the same, or told to do without."""
WITHOUT_ANY = ("fast_dev_run", "barebones")
"""What makes a Trainer run without the callbacks that it is given."""
DOES = {"ModelCheckpoint": "keeps the best by", "EarlyStopping": "stops by"}
WORDS = {"ModelCheckpoint": "Checkpoint", "EarlyStopping": "Stop"}
"""What callbacks have in their names that do the same in their own way; what they say in code:"""
ACTS = {
    "ModelCheckpoint": ("save_checkpoint", "save_pretrained", "save_model", "state_dict"),
    "EarlyStopping": ("should_stop",),
}


@rule("LTN328", "callback-left-out", rows=(), calls=BY_SETTINGS)
def callback_left_out(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A ModelCheckpoint or EarlyStopping is made and never given to the Trainer.

    What it does
    ------------
    Finds a ModelCheckpoint with a `monitor`, or an EarlyStopping, under a name that nothing reads,
    in a function or a script whose Trainers are given other callbacks, or none. It is silent where
    a callback among them does the same in its own way, or not all are seen, where the Trainer is
    told to do without (`enable_checkpointing=False`, `fast_dev_run=True`), and where anything after
    it speaks of the name: a comment in the list of callbacks says that it was switched off.

    Why is this bad
    ---------------
    Nothing watches the key: training does not stop early, or the checkpoint that is kept, and
    tested as the best, is the last one. The code reads as if it were otherwise, and nothing says
    so.

    Example
    -------
        best = ModelCheckpoint(monitor="val_loss")
        stopping = EarlyStopping(monitor="val_loss")
        trainer = L.Trainer(callbacks=[stopping])
        trainer.fit(model)

    Use instead
    -----------
        best = ModelCheckpoint(monitor="val_loss")
        stopping = EarlyStopping(monitor="val_loss")
        trainer = L.Trainer(callbacks=[best, stopping])
        trainer.fit(model)

    When to ignore
    --------------
    Where it was left out on purpose; then delete it, or say so in a comment below.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/callbacks.html
    """
    if any(method.name == "configure_callbacks" for o in facts.classes for method in o.own_methods):
        return
    for site in facts.left_out:
        given = list(_given(facts, site))
        missed = bool(given) and all(_is_without(facts, site, one) for one in given)
        if missed and site.key not in (ABSENT, Known(None)) and not facts.in_tests(site.location):
            yield self.finding(
                site.location,
                f"no Trainer is given this {site.watcher}: nothing reads {site.name!r}, and "
                f"nothing {DOES[site.watcher]} {_key(site)}",
                remedy=f"add {site.name} to the callbacks of the Trainer, or delete it",
                subject=site.watcher,
            )


def _key(site: LeftOutSite) -> str:
    return repr(site.key.value) if isinstance(site.key, Known) else "what it watches"


def _given(facts: ProjectFacts, site: LeftOutSite) -> Iterator[Value]:
    """The callbacks of each Trainer that the same function fits with, or that it has made by
    settings."""
    for call in facts.trainer_calls:
        if call.method == "fit" and call.scope == site.scope:
            yield from (_callbacks(one) for one in facts.trainers_of(call))
    for made in facts.calls_of(BY_SETTINGS[0]):
        if f"{made.location.path}:{made.function}" == site.scope and made.gives("callbacks"):
            yield made.argument("callbacks")


def _callbacks(trainer: TrainerSite) -> Value:
    told = any(not must_be(trainer.argument(name), None) for name in OTHERWISE)
    without = any(must_be(trainer.argument(name), True) for name in WITHOUT_ANY)
    return UNKNOWN if told or without else trainer.argument("callbacks")


def _is_without(facts: ProjectFacts, site: LeftOutSite, callbacks: Value) -> bool:
    """Whether all callbacks are seen, and none does what one does that was left out."""
    if must_be(callbacks, None) or callbacks == Known(()):
        return True
    items = callbacks.items if isinstance(callbacks, Several) else (callbacks,)
    return all(isinstance(one, Made) and _does_other(facts, site, one.name) for one in items)


def _does_other(facts: ProjectFacts, site: LeftOutSite, name: str) -> bool:
    """Whether a callback of Lightning or of the project does something else than one that was left
    out, by its name and its code."""
    if WORDS[site.watcher] in name:
        return False
    line = {name, *(above for one in facts.classes if one.name == name for above in one.ancestors)}
    known = [one for one in facts.classes if one.name in line]
    said = frozenset[str]().union(*(method.words for one in known for method in one.own_methods))
    return said.isdisjoint(ACTS[site.watcher]) if known else "lightning" in name.partition(".")[0]
