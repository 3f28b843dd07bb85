"""What steps return for the logger, as Lightning wanted it once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pl_lint.facts import lightning
from pl_lint.facts.sites import CallSite, ClassFacts, MethodSite, ProjectFacts, ReturnSite
from pl_lint.facts.values import Known, Table, Value
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import IGNORED, is_whole, line_of, target_version
from pl_lint.rules.registry import Rule, rule

KEYS = ("log", "progress_bar")
PREFIXES = (
    ("training_", "on_train_"),
    ("validation_", "on_validation_"),
    ("test_", "on_test_"),
)
"""How the hooks of a stage begin, some of which are given what its steps return."""
GIVEN = ("_epoch_end", "_step_end", "_batch_end")
BESIDE = frozenset({"self", "trainer", "pl_module", "batch", "batch_idx", "dataloader_idx"})
"""What such hooks are given beside that."""
STEPS = (".training_step", ".validation_step", ".test_step")
LOGGING = ("wandb.log", ".log")
"""Calls whose last word may also be a logarithm."""
WRITING = re.compile(
    r"log_(artifact|dict|epoch|hist|image|metric|param|scalar|step|table|text|to|value)\w*"
    r"|add_(figure|hist|image|metric|scalar|summary|text)\w*|write\w*|update|append|track|report"
)
"""What loggers, files, metrics and lists are given something with."""


@rule(
    "LTN144",
    "returned-and-never-logged",
    rows=(),
    status=Status.SUSPECTED,
    condition="unless something of your own reads what the hook returns",
    calls=(*STEPS, *LOGGING),
)
def returned_and_never_logged(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """What a step returns under "log" or "progress_bar" is logged nowhere.

    What it does
    ------------
    Finds `training_step`, the steps of validation and test, and hooks at the end of their epochs
    that return a dict with the key `"log"` or `"progress_bar"`, where the project's Lightning is
    1.3 or newer. Silent where the hook, or a method that it calls, logs or writes anything in
    another way, updates a metric or keeps anything; where it is decorated; where another hook of
    the class or of a callback is given what the steps return and looks at it; where the project
    calls the step by itself; and where the dict has a name in the step.

    Why is this bad
    ---------------
    Until 1.2 Lightning logged what these keys held. Since 1.3 it does nothing with them and says
    nothing: the curves are missing.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            return {"loss": loss, "log": {"train_loss": loss}}

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("train_loss", loss)
            return {"loss": loss}

    When to ignore
    --------------
    Where the project runs with Lightning 1.2 or older: say so with `lightning-version`.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/pull/6734
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    """
    for owner in facts.modules():
        if target_version(owner) < IGNORED or not is_whole(owner):
            continue
        for site in owner.returns:
            key = _key_for_logger(site)
            if key and _is_lost(facts, owner, site):
                yield self.finding(
                    site.location,
                    f"Lightning has ignored what {site.hook} returns under {key!r} since 1.3: it "
                    "is not logged",
                    remedy="log it: self.log_dict(...)",
                    subject=owner.short_name,
                )


def _key_for_logger(site: ReturnSite) -> str:
    """The key, of a dict that no local name holds: that may have been read before."""
    value = site.value
    if not isinstance(value, Table) or site.named:
        return ""
    given = ((key, value.get(key)) for key in KEYS)
    return next((key for key, one in given if not _is_nothing(one)), "")


def _is_nothing(value: Value | None) -> bool:
    """Whether it is nothing that Lightning logged once: no dict, or an empty one."""
    return value is None or isinstance(value, Known) or value == Table(())


def _is_lost(facts: ProjectFacts, owner: ClassFacts, site: ReturnSite) -> bool:
    """Whether nobody is seen to log or to look at what a hook of a stage returns."""
    prefixes = next((one for one in PREFIXES if site.hook.startswith(one)), ())
    asked = site.hook.endswith(("_step", "_epoch_end")) and _is_called(owner, site.hook)
    if not prefixes or not asked:
        return False
    if any(not facts.in_tests(call.location) for call in facts.calls_of(f".{site.hook}")):
        return False
    heirs = [one for one in facts.modules() if owner.name in (one.name, *one.ancestors)]
    if any(_writes(facts, one, site.hook) for one in heirs):
        return False
    beside = (one for one in facts.classes if one.kind == "callback")
    methods = (
        method for one in (*line_of(facts, owner), *heirs, *beside) for method in one.own_methods
    )
    others = (method for method in methods if method.name != site.hook)
    return not any(_looks_at_returned(method, prefixes) for method in others)


def _writes(facts: ProjectFacts, owner: ClassFacts, hook: str) -> bool:
    """Whether a hook of a class logs anything, may write to a logger, or keeps something."""
    loggers = (one for one in owner.reads if one.attribute.startswith("logger"))
    kept = (*owner.lists, *owner.assignments, *owner.uses)
    calls = (one for one in facts.calls_in(owner, *LOGGING) if not _is_logarithm(one))
    written = (*owner.logs, *calls, *loggers, *kept)
    return any(one.hook == hook for one in written) or _speaks(facts, owner, hook)


def _is_logarithm(call: CallSite) -> bool:
    """``torch.log(x)`` or ``x.log()``"""
    return call.receiver in ("torch", "np", "numpy", "math") or not call.arguments


def _speaks(facts: ProjectFacts, owner: ClassFacts, hook: str) -> bool:
    """Whether a hook is decorated, or it or a method that it reaches writes or fills something."""
    methods = {one.name: one for each in line_of(facts, owner) for one in each.own_methods}
    words = frozenset[str]().union(*(one.words for one in _reached(methods, hook)))
    decorated = hook in methods and bool(methods[hook].decorators)
    filled = any(one.attribute in words for one in owner.items)
    return decorated or filled or any(map(WRITING.fullmatch, words))


def _reached(methods: Mapping[str, MethodSite], hook: str) -> list[MethodSite]:
    """A hook and the methods of the class that it names, and that these name."""
    names = [hook]
    for name in names:  # it grows meanwhile
        words = methods[name].words if name in methods else frozenset[str]()
        names += sorted(words.intersection(methods).difference(names))
    return [methods[name] for name in names if name in methods]


def _is_called(owner: ClassFacts, hook: str) -> bool:
    return lightning.hook_exists("LightningModule", hook, target_version(owner))


def _looks_at_returned(method: MethodSite, prefixes: tuple[str, ...]) -> bool:
    """Whether a hook uses what the steps have returned."""
    if not (method.name.startswith(prefixes) and method.name.endswith(GIVEN)):
        return False
    used = set(method.parameters).difference(BESIDE, method.unused)
    return bool(used) or method.star_arguments
