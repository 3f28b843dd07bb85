"""Splits that one process draws twice: ``setup`` runs for the fit, and again for a later test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pl_lint.facts.origins import SPLITTING, SUBSETS, FunctionCall, parts
from pl_lint.facts.sites import CallSite, ClassFacts, LoaderSite, ProjectFacts, TrainerCall
from pl_lint.facts.values import Made, Named, must_be
from pl_lint.findings import Finding, Location, Status
from pl_lint.plain import frozen, replace
from pl_lint.rules.judging import CLI, uses_cli
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.reproducibility.hooks import drawn_by_each_hook
from pl_lint.rules.reproducibility.seeds import SEEDING, seeds
from pl_lint.rules.reproducibility.splitting import (
    WRITING,
    follows,
    parts_written,
    seed_argument,
    state_of,
    with_a_seed,
)

LATER = ("validate", "test", "predict")
RUNNING = tuple(f".{method}" for method in ("fit", *LATER))
"""The methods of a Trainer that a command line holds, ``cli.trainer.fit``."""
RESEEDING = (".manual_seed", "torch.Generator.manual_seed")
"""What puts a generator back to its beginning."""
ORDERS = ("torch.randperm", "numpy.random.permutation")
"""What draws an order, of which parts may be taken."""
SETUP = "setup"
ASKING = frozenset({"hasattr", "getattr", "state", "fn"})
"""What a condition reads that asks whether there is a split already, or what is to run."""


@frozen
class Rerun:
    """A fit, and a later call of the same function that is given the same data module, which is
    set up anew for it. ``together``: whatever runs one of them runs the other."""

    data: str
    method: str
    location: Location
    together: bool


@frozen
class Redrawn:
    """A split that is drawn again, and where."""

    call: CallSite
    again: Rerun
    kept: str
    """The attribute that keeps its generator from one draw to the next; empty without any."""

    @property
    def is_certain(self) -> bool:
        """Whether reading decides. A generator that is kept is the same only in one object."""
        return self.again.together and not self.kept and not self.call.guards


@rule(
    "LTN413",
    "split-drawn-twice",
    rows=("REP06",),
    status=Status.SUSPECTED,
    condition="if the fit and the later run are made by one process",
    calls=(*SPLITTING, *ORDERS, *SUBSETS, *WRITING, *SEEDING, *RUNNING, *RESEEDING, CLI),
    fixable=True,
)
def split_drawn_twice(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """One process splits the same data twice: in `setup`, or in the hooks of two loaders.

    What it does
    ------------
    Finds splits that a data module draws in `setup` on every call, without a generator or with one
    that `__init__` made, an order of which it makes two `Subset`s among them
    (`np.random.permutation(len(data))`), in projects where one function calls `fit` and then
    `test`, `validate` or `predict` with this data module, and what is read then is a part of the
    split. This is certain where no condition parts the two calls. Subcommands of LightningCLI are
    processes of their own. And splits that `train_dataloader` draws and `val_dataloader` or
    `test_dataloader` draws again, by a helper that both call or in lines of their own about the
    same data set.

    Silent where `setup` asks for its stage or for what it has made, where something seeds in
    `setup` or between the two calls, and where the parts are written to files. A project that
    seeds nothing is told so by LTN406.

    Why is this bad
    ---------------
    Lightning calls `setup` for the fit and again for the test. However the process was seeded, the
    second draw is another one: with 45 test samples of 300, 30 of those that were tested had been
    trained on. The score is too good, and nothing shows it.

    Example
    -------
        class Data(pl.LightningDataModule):
            def setup(self, stage=None):
                self.train, self.held_out = random_split(self.data, [0.8, 0.2])

            def train_dataloader(self):
                return DataLoader(self.train, batch_size=32, shuffle=True)

            def test_dataloader(self):
                return DataLoader(self.held_out, batch_size=32)

        def main(model):
            pl.seed_everything(42)
            data = Data()
            trainer = pl.Trainer()
            trainer.fit(model, data)
            trainer.test(model, data)

    Use instead
    -----------
        class Data(pl.LightningDataModule):
            def setup(self, stage=None):
                generator = torch.Generator().manual_seed(42)
                parts = random_split(self.data, [0.8, 0.2], generator=generator)
                self.train, self.held_out = parts

            def train_dataloader(self):
                return DataLoader(self.train, batch_size=32, shuffle=True)

            def test_dataloader(self):
                return DataLoader(self.held_out, batch_size=32)

        def main(model):
            pl.seed_everything(42)
            data = Data()
            trainer = pl.Trainer()
            trainer.fit(model, data)
            trainer.test(model, data)

    When to ignore
    --------------
    Where no two of these calls are ever made by the same process.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/data/datamodule.html#setup
    - https://pytorch.org/docs/stable/data.html#torch.utils.data.random_split
    """
    yield from _by_each_hook(self, facts)
    if not (seeds(facts) or uses_cli(facts)):
        return
    writes = parts_written(facts)
    for one in _redrawn(facts):
        if not any(follows(write, one.call) for write in writes):
            yield _told(self, facts, one)


def _told(self: Rule, facts: ProjectFacts, one: Redrawn) -> Finding:
    call, again = one.call, one.again
    state = f"{one.kept}, which goes on" if one.kept else "a global state that goes on"
    argument = seed_argument(call.name)
    script = again.location.path.rpartition("/")[2]
    bare = any(not split.seeded for split in facts.splits if split.location == call.location)
    of_numpy = call.name.startswith("numpy.")
    found = self.finding(
        call.location,
        f"setup runs once for fit and once more for {again.method} ({script}:{again.location.line})"
        f", and draws from {state}: the second split is another one, and has samples in it that "
        "were trained on",
        remedy="draw from numpy.random.default_rng(42), made here"
        if of_numpy
        else f"pass {argument}= with a fixed seed, made here",
        subject=call.owner.rpartition(".")[2],
        fix=with_a_seed(call.location, argument) if bare and not of_numpy else None,
    )
    if one.is_certain:
        return replace(found, status=Status.CERTAIN, condition="")
    condition = f"if fit and {again.method} run in one process, as {script} may do"
    return replace(found, condition=condition)


def _by_each_hook(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The splits that the hooks of loaders draw, each one of its own."""
    told: set[Location] = set()
    for owner in facts.classes:
        for first, again in drawn_by_each_hook(facts, owner):
            if again.location in told or facts.in_tests(again.location):
                continue
            told.add(again.location)
            argument = seed_argument(again.name)
            beside = "" if first.location == again.location else f" (line {first.location.line})"
            found = self.finding(
                again.location,
                f"{first.hook} and {again.hook} each draw a split of their own{beside}: what is "
                "held out in one was trained on in the other",
                remedy=f"split once, in setup, or pass {argument}= with a fixed seed",
                subject=owner.short_name,
            )
            certain = replace(found, status=Status.CERTAIN, condition="")
            yield replace(found, condition=SAME_DATA) if beside else certain


SAME_DATA = "if both split the same data"


def _redrawn(facts: ProjectFacts) -> list[Redrawn]:
    """The splits that ``setup`` draws on every call and from a state that goes on, in projects that
    run one and the same data module twice in a process, where the second run reads a part."""
    reruns = [one for one in (*_called(facts), *_by_cli(facts)) if not facts.in_tests(one.location)]
    reruns = [one for one in reruns if not _seeded_between(facts, one)]
    reruns.sort(key=lambda one: not one.together)
    found: dict[Location, Redrawn] = {}
    for owner in facts.classes if reruns else ():
        if owner.kind == "callback" or _in_setup(facts, owner, SEEDING):
            continue
        for call in _in_setup(facts, owner, (*SPLITTING, *ORDERS)):
            kept = state_of(owner, call)
            again_seeded = bool(kept) and bool(_in_setup(facts, owner, RESEEDING))
            drawn = kept is not None and not again_seeded and not _is_guarded(owner, call)
            for again in reruns if drawn else ():
                stages = (again.method, "train") if again.data == owner.name else ()
                if stages and all(_reads(facts, owner, stage, call) for stage in stages):
                    found.setdefault(call.location, Redrawn(call, again, kept or ""))
    return list(found.values())


def _in_setup(facts: ProjectFacts, owner: ClassFacts, names: Sequence[str]) -> list[CallSite]:
    return [call for call in facts.calls_in(owner, *names) if call.hook == SETUP]


def _is_guarded(owner: ClassFacts, call: CallSite) -> bool:
    """Whether a condition asks what is to run, or whether it was drawn before."""
    asked = {name for one in owner.own_methods if one.name == SETUP for name in one.parameters}
    made = {one.attribute for one in owner.assignments if one.hook == SETUP}
    words = (asked | made | ASKING | {"stage"}) - {"self"}
    return not words.isdisjoint(call.guards)


def _reads(facts: ProjectFacts, owner: ClassFacts, stage: str, call: CallSite) -> bool:
    """Whether what a stage is fed with is a part of this split."""
    fed = [one for one in facts.loaders if (one.owner, one.stage) == (owner.name, stage)]
    taken = [name for one in facts.splits if one.location == call.location for name in one.parts]
    return any(_is_one_of(facts, owner, taken, one) for one in fed) or any(
        isinstance(part, FunctionCall)
        and (part.name, part.arguments) == (call.name, call.arguments)
        for loader in fed
        for part in parts(loader.origin)
    )


def _is_one_of(
    facts: ProjectFacts, owner: ClassFacts, taken: list[str], loader: LoaderSite
) -> bool:
    """Whether a loader is of a Subset that is made of a drawn order, by its name, or because the
    class makes no others."""
    if loader.source:
        return loader.source in taken
    made = {one.location for one in facts.calls_in(owner, *SUBSETS)}
    is_part = isinstance(loader.dataset, Made) and loader.dataset.name in SUBSETS
    return is_part and len(made) == len(taken)


def _called(facts: ProjectFacts) -> Iterator[Rerun]:
    """What a script gives its Trainer."""
    fits = [call for call in facts.trainer_calls if call.method == "fit"]
    for call in facts.trainer_calls:
        for data in _fed_by(call) if call.method in LATER else ():
            before = [fit for fit in fits if data in _fed_by(fit) and _goes_on(fit, call)]
            if before:
                together = any(_is_with(fit, call) for fit in before)
                yield Rerun(data, call.method, call.location, together)


def _fed_by(call: TrainerCall) -> tuple[str, ...]:
    """The classes whose ``setup`` prepares the data: of the data module, or, where the Trainer is
    given neither one nor loaders, of the model."""
    alone = not (call.data or call.loaders or call.names)
    return tuple(filter(None, call.models)) if alone else call.data


def _goes_on(fit: TrainerCall, later: TrainerCall) -> bool:
    """Whether a function surely comes to one after the other, if it comes to both: two conditions
    of their own (``if args.train``, ``if args.test``) may be two programs."""
    nested = set(fit.arms) <= set(later.arms) or set(later.arms) <= set(fit.arms)
    return nested and fit.scope == later.scope and fit.location < later.location


def _is_with(fit: TrainerCall, later: TrainerCall) -> bool:
    return fit.arms == later.arms and len(_fed_by(fit)) == len(_fed_by(later)) == 1


def _by_cli(facts: ProjectFacts) -> Iterator[Rerun]:
    """``cli.trainer.fit(cli.model, cli.datamodule)`` of a command line that runs nothing itself."""
    calls = facts.calls_of(*RUNNING)
    for cli in facts.calls_of(CLI):
        data = cli.argument("datamodule_class", 1)
        here = [one for one in calls if _same_function(one, cli) and _of_cli(one)]
        fits = [one for one in here if one.name == ".fit"]
        known = isinstance(data, (Named, Made)) and must_be(cli.argument("run"), False)
        for later in here if known else ():
            before = [fit for fit in fits if fit.location < later.location]
            if later.name != ".fit" and before:
                together = any(fit.guards == later.guards for fit in before)
                yield Rerun(data.name, later.name[1:], later.location, together)


def _of_cli(call: CallSite) -> bool:
    """Whether the Trainer of a command line is given its data module."""
    holder, _, member = call.receiver.rpartition(".")
    return member == "trainer" and dict(call.written).get("datamodule") == f"{holder}.datamodule"


def _same_function(one: CallSite, other: CallSite) -> bool:
    return (one.location.path, one.function) == (other.location.path, other.function)


def _seeded_between(facts: ProjectFacts, again: Rerun) -> bool:
    """Whether something is seeded in the lines before the later run, after a fit: then both draws
    may be the same."""
    fits = [call.location for call in facts.trainer_calls if call.method == "fit"]
    fits += [call.location for call in facts.calls_of(".fit")]
    seeds = [call.location for call in facts.calls_of(*SEEDING)]
    here = again.location.path
    return any(
        fit < seed < again.location
        for fit in (one for one in fits if one.path == here)
        for seed in (one for one in seeds if one.path == here)
    )
