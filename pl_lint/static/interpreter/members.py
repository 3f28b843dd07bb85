"""What a Lightning class reads of its Trainer, or of itself, that some version no longer has."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pl_lint.facts import lightning, removed
from pl_lint.facts.sites import AssignmentSite, MemberReadSite
from pl_lint.facts.values import Made
from pl_lint.plain import replace
from pl_lint.static.names import ClassInfo, FunctionNode, dotted

READ = re.compile(r"\btrainer\.(\w+)")
OWN = re.compile(r"\bself\.(\w+)")
HOOK = re.compile(r"on_\w+|setup|teardown|state_dict|load_state_dict")
WORD = re.compile(r"\w+")
WALKS = re.compile(r"\b(?:named_)?(?:children|modules)\b|\b_modules\b|getattr|__dict__|\bvars\(")
ASKS = re.compile(r"hasattr|getattr|AttributeError|[Vv]ersion|VERSION|_AVAILABLE|\b_?PL_[A-Z\d]")
"""What code says that is written for several versions."""


def of_trainer(
    info: ClassInfo, kind: str, methods: Mapping[str, tuple[ClassInfo, FunctionNode]]
) -> Iterator[MemberReadSite]:
    """``self.trainer.x`` in the class, and ``trainer.x`` in the hooks of a callback.

    The text tells whether there is anything to look for; most classes are not walked. Methods that
    ask what there is are left alone, and names that the code writes as a text or assigns.
    """
    for name, (owner, node) in methods.items():
        if owner is not info:
            continue
        text = _text(info, node)
        gone = {word for word in READ.findall(text) if removed.member("Trainer", word)}
        if not gone or ASKS.search(text):
            continue
        receivers = {"self.trainer"} if kind != "callback" else set()
        if kind == "callback" and HOOK.fullmatch(name) and _takes_trainer(node):
            receivers = {"trainer"}
        for read in info.module.source.parts(node):
            if isinstance(read, ast.Attribute) and read.attr in gone:
                loaded = isinstance(read.ctx, ast.Load)
                if loaded and dotted(read.value) in receivers:
                    yield MemberReadSite(read.attr, info.module.source.location(read))


def of_module(info: ClassInfo, bases: Sequence[ClassInfo]) -> Iterator[MemberReadSite]:
    """``self.use_amp`` in a LightningModule, unless the class or what it inherits makes such a
    member: defines it, assigns it, or writes its name as a text."""
    for node in info.methods.values():
        text = _text(info, node)
        gone = {word for word in OWN.findall(text) if _was_member(word)}
        gone = {word for word in gone if not any(_makes(base, word) for base in bases)}
        if not gone or ASKS.search(text):
            continue
        for read in info.module.source.parts(node):
            if (
                isinstance(read, ast.Attribute)
                and read.attr in gone
                and dotted(read.value) == "self"
            ):
                where = info.module.source.location(read)
                yield MemberReadSite(read.attr, where, "LightningModule")


def _was_member(name: str) -> bool:
    """Whether a LightningModule had it; hooks that are gone are told where they are defined."""
    hook = lightning.removed_hook("LightningModule", name)
    return hook is None and removed.member("LightningModule", name) is not None


def _makes(base: ClassInfo, name: str) -> bool:
    """Whether a class has a member of that name, or may have it by its text or ``__getattr__``."""
    if {name, "__getattr__"} & base.methods.keys() or name in base.constants:
        return True
    return any(_names(part, name) for part in base.module.source.parts(base.node))


def _names(part: ast.AST, name: str) -> bool:
    match part:
        case ast.Attribute(_, attribute, ast.Store()):
            return attribute == name
        case ast.Constant(str(text)) | ast.AnnAssign(target=ast.Name(text)):
            return text == name
    return False


def _text(info: ClassInfo, node: ast.stmt) -> str:
    return "\n".join(info.module.source.lines[node.lineno - 1 : node.end_lineno])


def with_unread(
    sites: Sequence[AssignmentSite], bases: Sequence[ClassInfo]
) -> Iterator[AssignmentSite]:
    """The assignments of a class, those marked that its text, and what it inherits, never mentions
    again. Whoever walks over all modules, or asks for one by a text, reads every one."""
    unread: set[str] = set()
    if any(map(_makes_something, sites)):
        text = "\n".join(_text(base, base.node) for base in bases)
        unread = set() if WALKS.search(text) else _mentioned_once(sites, text)
    for site in sites:
        marked = site.attribute in unread and _makes_something(site)
        yield replace(site, unread=True) if marked else site


def _makes_something(site: AssignmentSite) -> bool:
    return site.hook == "__init__" and isinstance(site.value, Made)


def _mentioned_once(sites: Sequence[AssignmentSite], text: str) -> set[str]:
    """The attributes that are mentioned where they are assigned alone."""
    mentions = Counter(WORD.findall(text))
    places = {(site.attribute, site.location) for site in sites}
    assigned = Counter(attribute for attribute, _ in places)
    return {attribute for attribute, count in assigned.items() if mentions[attribute] == count}


def _takes_trainer(node: FunctionNode) -> bool:
    given = [*node.args.posonlyargs, *node.args.args]
    return len(given) > 1 and given[1].arg == "trainer"
