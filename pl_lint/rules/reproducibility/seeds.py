"""What is seeded, how, and when."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning, seeding
from pl_lint.facts.sites import CallSite, ProjectFacts, SeedSite, TrainerCall, in_notebook
from pl_lint.facts.values import Known, must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Applicability, DropArgument, Fix, SetArgument
from pl_lint.rules.judging import CLI, single_device, uses_cli
from pl_lint.rules.registry import Rule, rule

EVERYTHING = lightning.SEED_EVERYTHING
OWN = (
    "set_seed seed_all setup_seed set_random_seed seed_torch fix_seed fix_random_seed set_seeds "
    "set_determinism set_global_seed set_global_seeds set_all_seeds fix_seeds seed_everywhere"
)
SEEDING = (
    *(EVERYTHING, *seeding.SEEDS, ".seed_everything"),
    *(f".{name}" for name in OWN.split()),
)
"""Calls that seed the global generators, by names that functions for it have."""


def seeded_by_cli(facts: ProjectFacts) -> bool:
    """Whether LightningCLI seeds all that trains: it does unless it is told not to, and speaks for
    no script that fits by itself. A notebook, and the end of a file with a module in it, are there
    to try things. For a rule that asks for calls of ``CLI``."""
    calls = facts.calls_of(CLI)
    told_not_to = (must_be(one.argument("seed_everything_default", 6), False) for one in calls)
    modules = {one.location.path for one in (*calls, *facts.classes)}
    fits = (call.location for call in facts.trainer_calls if call.method == "fit")
    scripts = (at for at in fits if not in_notebook(at) and not facts.in_tests(at))
    alone = any(at.path not in modules for at in scripts)
    return bool(calls) and not any(told_not_to) and not alone


def seeds(facts: ProjectFacts) -> tuple[CallSite, ...]:
    """Where the project seeds, for a rule that asks for the calls of ``SEEDING``. A function that
    nothing calls seeds nothing."""
    return tuple(one for one in facts.calls_of(*SEEDING) if one.home or not _is_idle(facts, one))


def _is_idle(facts: ProjectFacts, seed: CallSite) -> bool:
    return (seed.location.path, seed.function) in facts.uncalled


@rule(
    "LTN401",
    "drawn-without-a-seed",
    rows=("REP01",),
    status=Status.SUSPECTED,
    default=False,
    observers="both",
    condition="if the numbers are ever to be had again",
    calls=(*SEEDING, CLI),
)
def without_a_seed(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """What training depends on is drawn from something that no seed governs.

    What it does
    ------------
    Finds `trainer.fit` in projects that never seed, or only in a function that nothing calls, and
    `seed_everything()` without a number. A
    run fits the module twice with the same seed, in two processes; where they differ, every call
    of a clock, of the system's entropy or of a generator made without a seed is noted, and the two
    fits are made again with one such call held still. The call that makes them equal is the one.

    Why is this bad
    ---------------
    The number in the table cannot be had again, not by you either. Two settings cannot be compared
    when each also differs by chance, and a bug that shows once cannot be looked for.

    Example
    -------
        trainer = L.Trainer(max_epochs=10)
        trainer.fit(model)

    Use instead
    -----------
        L.seed_everything(42, workers=True)
        trainer = L.Trainer(max_epochs=10)
        trainer.fit(model)

    When to ignore
    --------------
    A time or an id that is only logged or used in a name changes no weights and is not reported by
    the run. LightningCLI seeds by itself.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#reproducibility
    """
    for call in facts.calls_of(EVERYTHING):
        if must_be(call.argument("seed", 0), None):
            yield self.finding(
                call.location,
                "without a number the seed is 0, or drawn before Lightning 2.2",
                remedy="give it a seed",
            )
    if seeds(facts) or uses_cli(facts):
        return
    fits = [call for call in facts.trainer_calls if call.method == "fit"]
    for first in {call.location.path: call for call in reversed(fits)}.values():
        yield self.finding(
            first.location,
            "nothing in the project seeds: weights, order and dropout differ from run to run",
            remedy="call seed_everything(42, workers=True) before the module is built",
            subject=first.model.rpartition(".")[2],
        )


@rule(
    "LTN402",
    "seeded-too-late",
    rows=("REP02",),
    calls=(*SEEDING, lightning.MODULE, lightning.CALLBACK, CLI),
)
def seeded_too_late(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The seed is set after the module was built.

    What it does
    ------------
    Finds a LightningModule that is built and fitted in a function in which `seed_everything` comes
    between the two, or handed to such a function or by one, or built by the `__init__` of
    an object of which another method does, where the project seeds nowhere else. Other scripts
    that seed and fit are other programs, and a callback that is made after the module seeds no
    sooner.

    Why is this bad
    ---------------
    The first weights are drawn when the module is built: they differ in each run, and nothing says
    so. Two runs of one script ended with .7645 and -.2343.

    Example
    -------
        class Net(L.LightningModule):
            pass

        def main():
            model = Net()
            L.seed_everything(42)
            L.Trainer().fit(model)

    Use instead
    -----------
        class Net(L.LightningModule):
            pass

        def main():
            L.seed_everything(42)
            model = Net()
            L.Trainer().fit(model)

    When to ignore
    --------------
    Where all weights are loaded from a file.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#reproducibility
    """
    fitting, by_cli = _fitting(facts), {one.location.path for one in facts.calls_of(CLI)}
    for built in facts.calls_of(lightning.MODULE):
        if built.location.path in by_cli:
            continue
        governing = _governing(facts, built, fitting)
        late = [seed for seed in governing if _is_later(seed, built)]
        if late and len(late) == len(governing) and _is_fitted(facts, built, late[0]):
            yield _drawn_before(self, built, late[0])
    yield from _handed_on(self, facts)


def _handed_on(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Modules that a function has got from another one when it seeds, and then fits."""
    fitting = _fitting(facts)
    for fit in facts.trainer_calls:
        made = {one.location: one for one in facts.calls_of(lightning.MODULE) if _may_be(one, fit)}
        if len(made) != 1 or fit.reloaded:
            continue
        [built] = made.values()
        if _scope(built) == fit.scope:
            continue
        governing = _governing(facts, built, fitting)
        late = [one for one in governing if _had_before(fit, one)]
        if late and len(late) == len(governing):
            yield _drawn_before(self, built, late[0])


def _drawn_before(self: Rule, built: CallSite, seed: CallSite) -> Finding:
    return self.finding(
        built.location,
        f"the module is built here, so that its first weights are drawn before the seed at line "
        f"{seed.location.line}",
        remedy="seed before the module, and the networks that it is given, are built",
    )


def _may_be(built: CallSite, fit: TrainerCall) -> bool:
    """Whether a module that is built may be the one that is fitted: one of its class."""
    same = bool(fit.model) and built.built == fit.model
    return same and built.location.path == fit.location.path


def _had_before(fit: TrainerCall, seed: CallSite) -> bool:
    """Whether the function that fits a module seeds when it has it already, be it from a caller
    that got it or from a function that it calls, and nobody is given it on the way: who is may load
    weights."""
    if not _fits_after(fit, _scope(seed), seed) or not fit.hands:
        return False
    if not all(one.untouched for one in fit.hands):
        return False
    return fit.hands[0].handled < seed.location.line and fit.hands[-1].handled > 0


def _governing(facts: ProjectFacts, built: CallSite, fitting: frozenset[str]) -> list[CallSite]:
    """The seeds that may come before a module is built."""
    return [
        seed
        for seed in seeds(facts)
        if not _of_another_program(facts, seed, built, fitting)
        and not _of_later_callback(facts, seed, built)
    ]


def _of_later_callback(facts: ProjectFacts, seed: CallSite, built: CallSite) -> bool:
    """Whether a callback seeds, in a hook, or in its ``__init__`` where each is made after the
    module."""
    if not any(one.kind == "callback" for one in facts.classes_of(seed.owner)):
        return False
    made = [one for one in facts.calls_of(lightning.CALLBACK) if one.built == seed.owner]
    after = all(
        _scope(one) == _scope(built) and built.location.order < one.location.order for one in made
    )
    return seed.hook != "__init__" or (bool(made) and after)


def _of_another_program(
    facts: ProjectFacts, seed: CallSite, built: CallSite, fitting: frozenset[str]
) -> bool:
    """Whether a seed is one of a test, or of a function in another file that fits for itself."""
    if seed.location.path == built.location.path:
        return False
    return facts.in_tests(seed.location) or _scope(seed) in fitting


def _fitting(facts: ProjectFacts) -> frozenset[str]:
    """The functions that fit a module."""
    return frozenset(call.scope for call in facts.trainer_calls if call.method == "fit")


def _scope(call: CallSite) -> str:
    return f"{call.location.path}:{call.function}"


def _is_later(seed: CallSite, built: CallSite) -> bool:
    """In the same function, or in a method of an object whose ``__init__`` has built the module."""
    if seed.location.path != built.location.path:
        return False
    if seed.function == built.function:
        return built.location.order < seed.location.order
    kept = built.function == "__init__" and built.assigned.startswith("self.") and not built.owner
    return kept and bool(seed.function) and built.location.order < seed.location.order


def _is_fitted(facts: ProjectFacts, built: CallSite, seed: CallSite) -> bool:
    """Whether the function that seeds goes on to fit: where another one has built the module, what
    the object holds under that name."""
    here = seed.function == built.function
    return any(
        (here or call.written == built.assigned) and _fits_after(call, _scope(seed), seed)
        for call in facts.trainer_calls
    )


def _fits_after(call: TrainerCall, scope: str, seed: CallSite) -> bool:
    return (call.method, call.scope) == ("fit", scope) and seed.location.order < call.location.order


@rule(
    "LTN403",
    "workers-not-seeded",
    rows=("REP03",),
    status=Status.SUSPECTED,
    default=False,
    condition="on several devices, if loading draws random numbers",
    fixable=True,
)
def workers_not_seeded(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """seed_everything is called without workers=True.

    What it does
    ------------
    Finds `seed_everything(seed)` where `workers` is not given, unless every Trainer of the project
    has one device.

    Why is this bad
    ---------------
    On several processes the loader workers of all ranks then draw the same random numbers: every
    rank augments its images in the same way. On one process nothing is wrong.

    Example
    -------
        seed_everything(42)

    Use instead
    -----------
        seed_everything(42, workers=True)

    When to ignore
    --------------
    On one device, or where loading data draws no random numbers.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#reproducibility
    - https://github.com/Lightning-AI/pytorch-lightning/issues/6960
    """
    if single_device(facts):
        return
    for seed in facts.seeds:
        if must_be(seed.workers, False):
            yield self.finding(
                seed.location,
                "on several processes the loader workers of all ranks draw the same numbers",
                remedy="add workers=True",
                fix=Fix("add workers=True", (_for_workers(seed),)),
            )


def _for_workers(seed: SeedSite) -> SetArgument:
    return SetArgument(seed.location, "workers", "True", 1)


@rule(
    "LTN407",
    "deterministic-and-benchmark",
    rows=("REP07",),
    calls=(lightning.TRAINER,),
    fixable=True,
)
def deterministic_and_benchmark(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer is told to be deterministic and to pick its kernels by timing.

    What it does
    ------------
    Finds `Trainer(deterministic=True, benchmark=True)`.

    Why is this bad
    ---------------
    With `benchmark` cuDNN measures several algorithms and takes the fastest one, another one in
    another run. Lightning warns about the pair; the results on a GPU are not deterministic.

    Example
    -------
        L.Trainer(deterministic=True, benchmark=True)

    Use instead
    -----------
        L.Trainer(deterministic=True)

    When to ignore
    --------------
    Where no convolution runs on a GPU.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#benchmark
    - https://pytorch.org/docs/stable/notes/randomness.html
    """
    for call in facts.calls_of(lightning.TRAINER):
        chosen = call.argument("deterministic") in (Known(True), Known("warn"))
        if chosen and must_be(call.argument("benchmark"), True):
            yield self.finding(
                call.location,
                "benchmark=True picks kernels by timing, which deterministic is to forbid",
                remedy="drop benchmark=True",
                fix=Fix("drop benchmark=True", (_without_timing(call),), Applicability.SAFE),
            )


def _without_timing(call: CallSite) -> DropArgument:
    return DropArgument(call.location, "benchmark")
