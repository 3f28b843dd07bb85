"""What a Lightning class reads of its Trainer that some version no longer has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from pl_lint.facts import removed
from pl_lint.facts.sites import TrainerReadSite
from pl_lint.static.names import ClassInfo, FunctionNode, dotted

READ = re.compile(r"\btrainer\.(\w+)")
HOOK = re.compile(r"on_\w+|setup|teardown|state_dict|load_state_dict")
ASKS = re.compile(r"hasattr|getattr|AttributeError|[Vv]ersion|VERSION|_AVAILABLE|\b_?PL_[A-Z\d]")
"""What code says that is written for several versions."""


def trainer_reads(
    info: ClassInfo, kind: str, methods: Mapping[str, tuple[ClassInfo, FunctionNode]]
) -> Iterator[TrainerReadSite]:
    """``self.trainer.x`` in the class, and ``trainer.x`` in the hooks of a callback.

    The text tells whether there is anything to look for; most classes are not walked. Methods that
    ask what there is are left alone, and names that the code writes as a text or assigns.
    """
    for name, (owner, node) in methods.items():
        if owner is not info:
            continue
        text = "\n".join(info.module.source.lines[node.lineno - 1 : node.end_lineno])
        gone = {word for word in READ.findall(text) if removed.member("Trainer", word)}
        if not gone or ASKS.search(text):
            continue
        receivers = {"self.trainer"} if kind != "callback" else set()
        if kind == "callback" and HOOK.fullmatch(name) and _takes_trainer(node):
            receivers = {"trainer"}
        for read in ast.walk(node):
            if isinstance(read, ast.Attribute) and read.attr in gone:
                loaded = isinstance(read.ctx, ast.Load)
                if loaded and dotted(read.value) in receivers:
                    yield TrainerReadSite(read.attr, info.module.source.location(read))


def _takes_trainer(node: FunctionNode) -> bool:
    given = [*node.args.posonlyargs, *node.args.args]
    return len(given) > 1 and given[1].arg == "trainer"
