"""Which processes write a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set

from pl_lint.facts import lightning
from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts, TrainerCall
from pl_lint.facts.values import Known, must_be
from pl_lint.findings import Finding, Location, Status
from pl_lint.rules.distributed.evidence import for_one_count, starts_scripts
from pl_lint.rules.judging import line_of, single_device, version_at
from pl_lint.rules.loops.loaders import RUNS
from pl_lint.rules.registry import Rule, rule

RANK_WORDS = frozenset(
    "is_global_zero global_rank local_rank rank node_rank rank_zero_only is_rank_zero get_rank "
    "is_main_process main_process rank_zero is_master local_zero".split()
)
"""What code asks when it wants to know whether it is the first process."""
SURE_WORDS = RANK_WORDS - {"rank"}
"""A script may speak of the rank of other things."""


@rule(
    "LTN325",
    "checkpoint-saved-by-one-rank",
    rows=("CKP25",),
    status=Status.SUSPECTED,
    observers="both",
    condition="on several devices",
    calls=(".save_checkpoint", *RUNS),
)
def saved_by_one_rank(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """trainer.save_checkpoint is called by one process only: the others wait for ever.

    What it does
    ------------
    Finds `trainer.save_checkpoint(...)` under a condition on the rank, and `trainer.test(...)` and
    its sisters under one, where that Trainer has several processes. A run counts on each rank
    which calls the user's code makes that all ranks have to make. Code for Lightning 1 is left
    alone, where some versions did not wait.

    Why is this bad
    ---------------
    The call gathers state from all processes and waits for them; Lightning writes the file on rank
    zero by itself. A test under `if trainer.is_global_zero` waits for the others to begin. On
    several devices the run hangs until the time limit of the process group, or the call meets
    another one of the other ranks.

    Example
    -------
        def on_train_end(self):
            if self.trainer.is_global_zero:
                self.trainer.save_checkpoint("last.ckpt")

    Use instead
    -----------
        def on_train_end(self):
            self.trainer.save_checkpoint("last.ckpt")

    When to ignore
    --------------
    On one device.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html
    """
    if single_device(facts):
        return
    for call in facts.calls_of(".save_checkpoint"):
        asked = sorted(RANK_WORDS & set(call.guards))
        waits = version_at(facts, call.location) >= (2, 0)
        if asked and waits and _of_trainer(call):
            yield self.finding(
                call.location,
                f"only the processes that {asked[0]} lets through save, and they wait for the "
                "others",
                remedy="call it on every process; Lightning writes on rank zero only",
            )
    yield from _begun_alone(self, facts)


def _begun_alone(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Runs of a Trainer with several processes that only some of them begin."""
    runs = {one.location: one for one in facts.trainer_calls}
    for call in facts.calls_of(*RUNS):
        asked = sorted(SURE_WORDS & set(call.guards))
        at = version_at(facts, call.location)
        made = facts.trainers_of(runs[call.location]) if call.location in runs else ()
        several = bool(made) and all(starts_scripts(one, at) for one in made)
        alone = asked and not _all_begin(call, runs, facts.calls_of(*RUNS))
        if alone and several and not for_one_count(call.guards):
            verb = call.name.rpartition(".")[2]
            yield self.finding(
                call.location,
                f"only the processes that {asked[0]} lets through {verb}, and they wait for the "
                "others",
                remedy=f"{verb} on every process, or with a Trainer of one device",
            )


def _all_begin(
    call: CallSite, runs: Mapping[Location, TrainerCall], others: Sequence[CallSite]
) -> bool:
    """Whether the other branch of the condition runs the same method: all processes begin."""
    here = runs.get(call.location)
    beside = ((runs.get(one.location), one) for one in others if one.name == call.name)
    return here is not None and any(
        run is not None
        and (run.scope, run.trainer) == (here.scope, here.trainer)
        and run.excludes(here)
        and not SURE_WORDS.isdisjoint(one.guards)
        for run, one in beside
    )


def _of_trainer(call: CallSite) -> bool:
    """Whether the receiver is a Lightning Trainer, by what it is or by its name."""
    known = call.name == f"{lightning.TRAINER}.save_checkpoint"
    in_hook = bool(call.owner) and call.receiver.rpartition(".")[2] == "trainer"
    return known or in_hook


@rule(
    "LTN326",
    "file-saved-by-every-rank",
    rows=("CKP26",),
    status=Status.SUSPECTED,
    default=False,
    condition="on several devices, and with validation in the sanity check",
    calls=("torch.save",),
)
def saved_by_every_rank(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A hook writes weights to a file by itself, in every process and in the sanity check.

    What it does
    ------------
    Finds `torch.save` in hooks of training and validation without a condition on the rank, or on
    how many processes there are. Silent where the name of the file is worked out in a method that
    speaks of the rank, or of a place that each process has for itself (`tempfile`, `uuid`).

    Why is this bad
    ---------------
    All processes write the same file at once. In validation hooks the sanity check writes it too,
    before anything was learned, and a best score that is kept beside it starts with that.

    Example
    -------
        def on_validation_epoch_end(self):
            torch.save(self.net.state_dict(), "best.pt")

    Use instead
    -----------
        def on_validation_epoch_end(self):
            if self.trainer.is_global_zero and not self.trainer.sanity_checking:
                torch.save(self.net.state_dict(), "best.pt")

    When to ignore
    --------------
    On one device, where the sanity check does no harm.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html
    """
    if single_device(facts):
        return
    for call in facts.calls_of("torch.save"):
        asked = not RANK_WORDS.isdisjoint(call.guards) or _for_one_strategy(call.guards)
        apart = _names_its_own_file(facts, call)
        if call.owner and call.stage in ("train", "validate") and call.hook and not asked | apart:
            yield self.finding(
                call.location,
                "every process writes this file"
                + (", and the sanity check does" if _in_sanity_check(facts, call) else ""),
                remedy="guard it with self.trainer.is_global_zero, or use a ModelCheckpoint",
                subject=call.owner.rpartition(".")[2],
            )


NUMBERS = frozenset({"global_rank", "local_rank", "node_rank", "rank", "get_rank"})
"""What gives the number of a process, which may be part of a name."""
OWN_PLACES = frozenset(
    "tempfile mkdtemp mkstemp TemporaryDirectory NamedTemporaryFile new_file uuid uuid1 uuid4 "
    "getpid".split()
)
"""What gives each process a folder or a file of its own; `new_file` is that of a W&B artifact."""
STRATEGY = re.compile(r"ddp|deepspeed|fsdp|distributed|multi_?gpu", re.IGNORECASE)


def _names_its_own_file(facts: ProjectFacts, call: CallSite) -> bool:
    """Whether each process may write a file of its own: its name is worked out in a method that
    speaks of the rank or of such a place, or of an attribute that was made so."""
    owner = next((one for one in facts.classes if one.name == call.owner), None)
    if owner is None or isinstance(call.argument("f", 1), Known):
        return False
    around = _words_of(facts, owner, {call.function})
    makers = {one.function for one in owner.assignments if one.attribute in around}
    made_of = around | _words_of(facts, owner, makers)
    return not (NUMBERS.isdisjoint(around) and OWN_PLACES.isdisjoint(made_of))


def _words_of(facts: ProjectFacts, owner: ClassFacts, names: Set[str]) -> frozenset[str]:
    """What these methods of a class speak of, whatever class they are inherited from."""
    methods = (method for one in line_of(facts, owner) for method in one.own_methods)
    return frozenset[str]().union(*(one.words for one in methods if one.name in names))


def _for_one_strategy(guards: Sequence[str]) -> bool:
    """Whether a condition asks how the processes work together, or how many there are: somebody
    has thought of the others."""
    return for_one_count(guards) or any(map(STRATEGY.search, guards))


def _in_sanity_check(facts: ProjectFacts, call: CallSite) -> bool:
    """Whether a call runs in the sanity check too: no Trainer does without one."""
    steps = [one.argument("num_sanity_val_steps") for one in facts.trainers]
    checked = not steps or not all(must_be(one, 0) for one in steps)
    return call.stage == "validate" and checked and "sanity_checking" not in call.guards
