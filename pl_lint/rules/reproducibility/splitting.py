"""What splits of data have in common: who draws one, who writes it down, and how it is seeded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.sites import (
    ABSENT,
    CallSite,
    ProjectFacts,
    SliceSite,
    SplitSite,
    TrainerCall,
    in_tests,
)
from pl_lint.facts.values import Known, Pattern, Value
from pl_lint.findings import Location
from pl_lint.fixes import Fix, Import, SetArgument
from pl_lint.rules.device_counts import uses_one_device
from pl_lint.rules.distributed.preparing import RUNS
from pl_lint.rules.judging import LOADING, version_at

SPLITTING = (
    "torch.utils.data.random_split",
    "torch.utils.data.dataset.random_split",
    "sklearn.model_selection.train_test_split",
)
SETUP = ".setup"
WRITING = (
    *(".to_csv", ".to_json", ".to_pickle", ".to_parquet", ".to_feather", ".to_hdf", ".to_file"),
    *("numpy.save", "numpy.savez", "numpy.savetxt", "torch.save", "joblib.dump"),
    *("json.dump", "pickle.dump", "yaml.dump"),
)
"""What keeps values in a file."""
COPYING = (
    *("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.move", "shutil.copytree"),
    *("os.rename", "os.replace", "os.link", "os.symlink", ".symlink_to", ".rename", ".hardlink_to"),
)
"""What gives files a place of their own; ``rename`` of a table does nothing of the kind."""
PART = re.compile(
    r"(?<![a-z])(?:train|training|val|valid|validation|splits?|folds?|idx|indices)(?![a-z])"
)
"""What the parts of a data set are called; ``test`` alone is what predictions are written for."""
INDICES = re.compile(r"(?<![a-z])(?:splits?|folds?|idx|indices)(?![a-z])")
"""What says by its own name that it is a split: ``train`` may be the scores of training."""


def parts_written(facts: ProjectFacts) -> list[CallSite]:
    """The calls that keep a part of the data in a file."""
    return [call for call in facts.calls_of(*WRITING) if _names_a_part(call)]


def copies(facts: ProjectFacts) -> list[CallSite]:
    """The calls that give each part of listed files a folder of its own."""
    return [call for call in facts.calls_of(*COPYING) if "columns" not in dict(call.arguments)]


def follows(write: CallSite, draw: CallSite | SliceSite) -> bool:
    """Whether something is written where it was drawn: in the same hook of a class, or else in the
    same function."""
    if draw.hook:
        return (write.owner, write.hook) == (draw.owner, draw.hook)
    same = write.location.path == draw.location.path and write.function == draw.function
    return same and write.location > draw.location


def is_used_once(facts: ProjectFacts, split: SplitSite) -> bool:
    """Whether the Trainers that may be given the data module that splits are seen to train on one
    device, without a test, and nothing loads a checkpoint or goes on from one, or sets data up by
    hand: ``fit`` then splits again."""
    drawn = (one for one in facts.calls_of(*SPLITTING) if one.location == split.location)
    owners = {one.owner.rpartition(".")[2] for one in drawn}
    made = [one for one in facts.classes if one.short_name in owners]
    if len(owners) != 1 or not all(one.kind == "datamodule" for one in made) or len(made) != 1:
        return False
    known = [one for one in facts.trainer_calls if not in_tests(one.location)]
    given = [one for one in known if any(_last(name) in owners for name in one.data)]
    free = {one.location for one in facts.calls_of(*RUNS) if _has_own_data(one)}
    others = all(one.data or one.location in free for one in known if one not in given)
    set_up = [one for one in facts.calls_of(SETUP) if _is_of(one, owners)]
    again = (*facts.calls_of(LOADING), *set_up)
    alone = others and all(in_tests(one.location) for one in again)
    return bool(given) and alone and all(_fits_on_one(facts, one) for one in given)


def _is_of(call: CallSite, classes: set[str]) -> bool:
    """Whether a method is called on an object of one of these classes, or of an unknown one."""
    holder = call.name.rpartition(".")[0]
    return not holder or _last(holder) in classes


def _has_own_data(call: CallSite) -> bool:
    """Whether a Trainer is given a model, and nothing that it could read data from."""
    return call.complete and {name for name, _ in call.arguments} <= {"0", "model", "ckpt_path"}


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _fits_on_one(facts: ProjectFacts, call: TrainerCall) -> bool:
    trainers = facts.trainers_of(call)
    alone = all(uses_one_device(one, version_at(facts, one.location)) for one in trainers)
    return call.method == "fit" and call.ckpt_path == ABSENT and bool(trainers) and alone


def _names_a_part(write: CallSite) -> bool:
    """Whether what is written is a part of the data, by its own name or that of the file."""
    texts = [write.receiver, *(text for _, value in write.arguments for text in _texts(value))]
    named = any(INDICES.search(text.lower()) for _, text in write.written)
    return named or any(PART.search(text.lower()) for text in texts)


def _texts(value: Value) -> Iterator[str]:
    match value:
        case Known(str(text)):
            yield text
        case Pattern(parts):
            yield from filter(None, parts)


def seed_argument(function: str) -> str:
    """What a function that splits calls its source of chance."""
    of_torch = function.endswith(("random_split", "randperm"))
    return "generator" if of_torch else "random_state"


def with_a_seed(split: Location, argument: str) -> Fix:
    """A seed of its own, as in the documentation of both libraries."""
    if argument == "random_state":
        return Fix("pass random_state=42", (SetArgument(split, argument, "42"),))
    generator = SetArgument(split, argument, "torch.Generator().manual_seed(42)", 2)
    return Fix("pass a seeded generator", (generator, Import(split, "torch", "import torch")))
