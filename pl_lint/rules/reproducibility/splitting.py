"""What splits of data have in common: who draws one, who writes it down, and how it is seeded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts, SliceSite
from pl_lint.facts.values import Known, Pattern, Value, must_be
from pl_lint.findings import Location
from pl_lint.fixes import Fix, Import, SetArgument

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


def _names_a_part(write: CallSite) -> bool:
    """Whether what is written is a part of the data, by its own name or that of the file."""
    texts = [write.receiver, *(text for _, value in write.arguments for text in _texts(value))]
    first = dict(write.written).get("0", "")  # of ``pickle.dump(indices, file)``
    named = first.isidentifier() and INDICES.search(first.lower()) is not None
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


def state_of(owner: ClassFacts, call: CallSite) -> str | None:
    """Whose state a split draws from: that of the process (an empty name), that of a generator
    that an attribute keeps from elsewhere; None where it may be made anew."""
    argument = "random_state" if call.name.startswith("sklearn.") else "generator"
    if not call.complete or must_be(call.argument("shuffle"), False):
        return None
    if must_be(call.argument(argument, 2 if argument == "generator" else -1), None):
        return ""
    written = dict(call.written).get(argument, "")
    places = {one.hook for one in owner.assignments if f"self.{one.attribute}" == written}
    return written if argument == "generator" and places == {"__init__"} else None
