"""A class in its source text: where the idioms of Lightning stand, and how to edit the text there.

Everything is read from the syntax tree and changed in the text, so that a twin differs from its
original in the edited lines only.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from pl_lint.facts.torchmetrics import is_metric_class, is_tracker

STAGES = ("validation", "test", "training")
"""The steps, in the order in which a mistake is planted: validation is what is looked at most."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Edit:
    """Characters of the text, from ``start`` to before ``end``, that become ``text``.

    ``must_run``: whether the edit changes nothing unless a run comes by this place.
    """

    start: int
    end: int
    text: str
    must_run: bool = True


@dataclass(frozen=True)
class Log:
    """One call of ``self.log`` that a stage reaches: its key and value as syntax, its flags."""

    stage: str
    call: ast.Call
    key: ast.expr
    value: ast.expr

    def flag(self, name: str) -> ast.expr | None:
        return keyword(self.call, name)

    def is_on(self, name: str, default: bool) -> bool:
        value = self.flag(name)
        return value.value is True if isinstance(value, ast.Constant) else default

    @property
    def on_epoch(self) -> bool:
        return self.is_on("on_epoch", self.stage != "training")


@dataclass(frozen=True)
class Source:
    """The text of a file and one LightningModule of it, with what it inherits in that file."""

    text: str
    class_name: str

    # --- the tree ---------------------------------------------------------------------------------

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def lineage(self) -> tuple[ast.ClassDef, ...]:
        """The class and its ancestors, as far as they stand in this file."""
        classes = {
            node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)
        }
        found: list[ast.ClassDef] = []
        waiting = [self.class_name]
        while waiting:
            node = classes.get(waiting.pop(0))
            if node is not None and node not in found:
                found.append(node)
                waiting += [base.id for base in node.bases if isinstance(base, ast.Name)]
        return tuple(found)

    @cached_property
    def methods(self) -> dict[str, Function]:
        """Every method by name; the class's own go before inherited ones."""
        own = [node for cls in reversed(self.lineage) for node in cls.body]
        return {node.name: node for node in own if isinstance(node, Function)}

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def statement(self, node: ast.AST) -> ast.stmt:
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node

    def reached(self, method: str) -> tuple[Function, ...]:
        """The method and the class's other methods that it calls, at any depth."""
        found: list[str] = []
        waiting = [method]
        while waiting:
            name = waiting.pop(0)
            if name in self.methods and name not in found:
                found.append(name)
                waiting += [attribute(node) for node in ast.walk(self.methods[name])]
        return tuple(self.methods[name] for name in found)

    def walk(self, *functions: Function) -> Iterator[ast.AST]:
        for function in functions:
            yield from ast.walk(function)

    # --- the text ---------------------------------------------------------------------------------

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.splitlines(keepends=True)

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self._lines:
            starts.append(starts[-1] + len(line))
        return starts

    def offset(self, line: int, column: int) -> int:
        """Of a place that ``ast`` gives: it counts columns in bytes."""
        before = (
            self._lines[line - 1].encode()[:column].decode() if line <= len(self._lines) else ""
        )
        return self._starts[line - 1] + len(before)

    def start(self, node: ast.AST) -> int:
        return self.offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        return self.offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def code(self, node: ast.AST) -> str:
        return self.text[self.start(node) : self.end(node)]

    def operand(self, node: ast.expr) -> str:
        """The code of an expression, in brackets where an operator beside it would need them."""
        simple = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
        return self.code(node) if simple else f"({self.code(node)})"

    # --- edits ------------------------------------------------------------------------------------

    def replace(self, node: ast.AST, text: str) -> Edit:
        return Edit(self.start(node), self.end(node), text)

    def delete(self, statement: ast.stmt) -> Edit:
        return self.replace(statement, "pass")

    def before(self, statement: ast.stmt, code: str) -> Edit:
        start = self.start(statement)
        return Edit(
            start, start, _block(code, statement.col_offset).lstrip() + "\n" + _pad(statement)
        )

    def after(self, statement: ast.stmt, code: str) -> Edit:
        end = self.end(statement)
        return Edit(end, end, "\n" + _block(code, statement.col_offset))

    def with_argument(self, call: ast.Call, argument: str) -> Edit:
        """The call with a keyword more, or with another value for it."""
        name = argument.partition("=")[0]
        for given in call.keywords:
            if given.arg == name:
                return Edit(self.start(given), self.end(given), argument)
        last = max([*call.args, *call.keywords], key=self.end, default=None)
        if last is None:
            return Edit(self.end(call) - 1, self.end(call) - 1, argument)
        return Edit(self.end(last), self.end(last), f", {argument}")

    def without_argument(self, call: ast.Call, name: str) -> Edit | None:
        """The call without a keyword, and without the comma before it."""
        given = next((each for each in call.keywords if each.arg == name), None)
        if given is None:
            return None
        others = [
            each for each in [*call.args, *call.keywords] if self.end(each) < self.start(given)
        ]
        start = self.end(max(others, key=self.end)) if others else self.start(given)
        return Edit(start, self.end(given), "")

    def at_start(self, function: Function, code: str) -> Edit:
        """Statements before the first one of a method, its docstring excepted."""
        body = function.body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and body[1:]:
            return self.before(body[1], code)
        return self.before(body[0], code)

    def in_init(self, code: str) -> Edit | None:
        """Statements at the end of ``__init__``."""
        init = self.methods.get("__init__")
        if init is None or isinstance(init.body[-1], ast.Return):
            return None
        return self.after(init.body[-1], code)

    def new_method(self, code: str) -> Edit | None:
        if not self.lineage:
            return None
        last = self.lineage[0].body[-1]
        end = self.end(last)
        return Edit(end, end, "\n\n" + _block(code, last.col_offset), must_run=False)

    def importing(self, code: str) -> Edit:
        """An import at the top of the file, after its docstring and ``__future__``."""
        first = next(
            node
            for node in self.tree.body
            if not isinstance(node, ast.Expr) and getattr(node, "module", "") != "__future__"
        )
        start = min([self.start(first), *map(self.start, getattr(first, "decorator_list", []))])
        start = self.text.rfind("\n", 0, start) + 1
        return Edit(start, start, f"{code}\n", must_run=False)

    @cached_property
    def _statements(self) -> list[ast.stmt]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.stmt)]

    def place(self, edit: Edit) -> tuple[int, int]:
        """The first and last line of the innermost statement that an edit changes."""
        line = self.text.count("\n", 0, edit.start) + 1
        around = [
            node for node in self._statements if node.lineno <= line <= (node.end_lineno or line)
        ]
        inner = max(around, key=lambda node: node.lineno, default=None)
        return (inner.lineno, inner.end_lineno or line) if inner is not None else (line, line)

    def applied(self, edits: Iterable[Edit]) -> str:
        text = self.text
        for edit in sorted(edits, key=lambda edit: (edit.start, edit.end), reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return text

    # --- idioms -----------------------------------------------------------------------------------

    def stage_functions(self, stage: str) -> tuple[Function, ...]:
        return self.reached(f"{stage}_step")

    def logs(self, *stages: str) -> Iterator[Log]:
        """Calls of ``self.log`` with a key and a value, first those of the stage named first."""
        for stage in stages or STAGES:
            for node in self.walk(*self.stage_functions(stage)):
                if isinstance(node, ast.Call) and dotted(node.func) == "self.log":
                    key = argument(node, 0, "name")
                    value = argument(node, 1, "value")
                    if key is not None and value is not None:
                        yield Log(stage, node, key, value)

    def values(self, *stages: str) -> Iterator[Log]:
        """Those of them that log a number or a tensor, over an epoch."""
        for log in self.logs(*stages):
            if attribute(log.value) not in self.metrics and log.on_epoch and not _is_metric(log):
                yield log

    def objects(self, *stages: str) -> Iterator[tuple[Log, str]]:
        """Those of them that log a metric object, over an epoch, with the attribute it is in."""
        for log in self.logs(*stages):
            name = attribute(log.value)
            if name in self.metrics and log.on_epoch:
                yield log, name

    @cached_property
    def metrics(self) -> dict[str, ast.Call]:
        """Attributes that hold a torchmetrics object, with the call that makes it."""
        found: dict[str, ast.Call] = {}
        for node in self.walk(*self.methods.values()):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                for name in map(attribute, node.targets):
                    if name and is_metric(node.value):
                        found.setdefault(name, node.value)
        return found

    def feeds(self, metric: str, functions: Iterable[Function]) -> Iterator[ast.Call]:
        """Calls that give a metric a batch: ``self.acc(...)`` and ``self.acc.update(...)``."""
        wanted = (f"self.{metric}", f"self.{metric}.update")
        for node in self.walk(*functions):
            if isinstance(node, ast.Call) and dotted(node.func) in wanted:
                yield node

    def calls(self, name: str, functions: Iterable[Function] | None = None) -> Iterator[ast.Call]:
        """Calls whose function's last name is ``name``: ``clear`` finds ``self.x.clear()``."""
        for node in self.walk(*(self.methods.values() if functions is None else functions)):
            if isinstance(node, ast.Call) and last_name(node.func) == name:
                yield node

    @cached_property
    def manual(self) -> bool:
        return any(True for _ in self.calls("manual_backward"))

    @cached_property
    def losses(self) -> tuple[ast.expr, ...]:
        """What the training minimizes: what its step returns, or gives to ``manual_backward``."""
        functions = self.stage_functions("training")
        if self.manual:
            found = [call.args[0] for call in self.calls("manual_backward", functions) if call.args]
        else:
            found = [value for function in functions[:1] for value in self._returned(function)]
        return tuple(found)

    def _returned(self, function: Function) -> Iterator[ast.expr]:
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and node.value is not None:
                yield from self._loss_in(node.value)

    def _loss_in(self, value: ast.expr) -> Iterator[ast.expr]:
        if isinstance(value, ast.Dict):
            for key, item in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "loss":
                    yield item
        elif isinstance(value, ast.Call) and attribute(value.func) in self.methods:
            yield from self._returned(self.methods[attribute(value.func)])
        elif isinstance(value, ast.Name | ast.BinOp | ast.Call | ast.Attribute):
            yield value

    @cached_property
    def outputs(self) -> tuple[ast.expr, ...]:
        """What ``forward`` returns, where it returns one thing."""
        forward = self.methods.get("forward")
        nodes = ast.walk(forward) if forward is not None else ()
        returned = [node.value for node in nodes if isinstance(node, ast.Return)]
        simple = (ast.Name, ast.Call, ast.BinOp)
        return tuple(value for value in returned if isinstance(value, simple))

    @cached_property
    def layers(self) -> tuple[tuple[str, ast.Assign], ...]:
        """Attributes that hold a layer of torch's, or of the file's own, with their statement."""
        init = self.methods.get("__init__")
        found = []
        for node in ast.walk(init) if init is not None else ():
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                name = attribute(node.targets[0])
                if name and _is_layer(last_name(node.value.func)):
                    found.append((name, node))
        return tuple(found)

    @cached_property
    def _reads(self) -> dict[str, list[ast.Attribute]]:
        found: dict[str, list[ast.Attribute]] = {}
        for node in self.walk(*self.methods.values()):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.setdefault(attribute(node), []).append(node)
        return found

    def uses(self, name: str) -> list[ast.Attribute]:
        """Where the class reads ``self.<name>``."""
        return self._reads.get(name, []) if name else []


# --- small questions to a node --------------------------------------------------------------------


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"


def last_name(node: ast.AST) -> str:
    return dotted(node).rpartition(".")[2]


def attribute(node: ast.AST) -> str:
    """``x`` of ``self.x``; empty for all else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "self" else ""
    return ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    if len(call.args) > position:
        return call.args[position]
    return keyword(call, name)


def is_metric(call: ast.Call) -> bool:
    name = last_name(call.func)
    if name == "clone":  # of a collection
        return bool({each.arg for each in call.keywords} & {"prefix", "postfix"})
    return is_metric_class(name) and not is_tracker(name)


def _is_metric(log: Log) -> bool:
    """A value that is an item of a container of metrics, or computed by one."""
    return isinstance(log.value, ast.Subscript) or ".compute" in dotted(
        log.value.func if isinstance(log.value, ast.Call) else log.value
    )


_LAYERS = ("Linear", "Conv1d", "Conv2d", "Conv3d", "Sequential", "Embedding", "LSTM", "GRU")


def _is_layer(name: str) -> bool:
    return name in _LAYERS


def _pad(statement: ast.stmt) -> str:
    return " " * statement.col_offset


def _block(code: str, column: int) -> str:
    return textwrap.indent(textwrap.dedent(code).strip("\n"), " " * column)
