"""What code says of its age: by names that only old versions have, or only new ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from pl_lint.facts import lightning, removed
from pl_lint.facts.lightning import Version
from pl_lint.facts.sites import in_tests
from pl_lint.findings import Location
from pl_lint.places import SETTINGS
from pl_lint.static.names import dotted
from pl_lint.static.sources import tree_of


class ReadFile(Protocol):
    """What is asked of a file: Python or settings."""

    @property
    def path(self) -> str: ...

    @property
    def text(self) -> str: ...


OLD = re.compile(
    r"from_argparse_args|add_argparse_args|pytorch_lightning\.metrics|\bpl\.metrics\.|"
    r"self\.hparams\s*=[^=]|\bEvalResult\b|\bTrainResult\b|"
    r"get_progress_bar_dict|LightningLoggerBase|"
    r"progress_bar_refresh_rate|distributed_backend|checkpoint_callback\s*=\s*(?:True|False|\w+,)|"
    r"weights_summary|pytorch_lightning\.core\.lightning"
)
"""What a program can only say to Lightning 1.x or older, whatever stands around it."""
OLD_ARGUMENTS = ("gpus", "tpu_cores", "resume_from_checkpoint")
OLD_PASSED = re.compile(rf"\b(?:{'|'.join(OLD_ARGUMENTS)})\s*=|\boptimizer_idx\b")
"""The same where a Trainer or a hook is given it: variables may be called so as well."""
NUMBERED = re.compile(
    r"training_step|optimizer_step|toggle_optimizer|on_before_optimizer_step|"
    r"(?:configure|clip|on_before)_\w*|backward"
)
"""The hooks that got the number of an optimizer."""
OLD_WORDS = (
    *("argparse_args", "metrics", "hparams", "optimizer_idx", "EvalResult", "TrainResult"),
    *("progress_bar", "LoggerBase", "gpus", "resume_from_checkpoint", "distributed_backend"),
    *("checkpoint_callback", "weights_summary", "core.lightning", "tpu_cores"),
)
"""One of these stands in each of them."""
OLDER = re.compile(
    r"^\s*from pytorch_lightning import [^\n]*\bdata_loader\b|^\s*@(?:pl\.|ptl\.)?data_loader\b|"
    r"\bLearningRateLogger\b|"
    r"\bTrainer\((?:[^()]|\([^()]*\))*\b(?:early_stop_callback|(?:train|val|test)_percent_check|"
    r"overfit_pct|m(?:ax|in)_nb_epochs|nb_gpu_nodes|nb_sanity_val_steps|row_log_interval|"
    r"log_save_interval|print_nan_grads)\s*=",
    re.MULTILINE,
)
"""What could only be said to Lightning before 1.0."""
TAKERS = (lightning.TRAINER, lightning.MODEL_CHECKPOINT)
DATED = ("Trainer", "ModelCheckpoint", "self.hparams")
"""One of these stands where code is not newer than some version."""
LATE = re.compile(
    r"\btorch\.compile\b|\blightning_fabric\b|\w\w-(?:mixed|true)|\btask\s*=|"
    r"\binference_mode\s*=|ddp_find_unused_parameters_true"
)
"""One of these stands where code is not older than some version."""
LATE_VALUES: dict[object, tuple[Version, ...]] = {
    "ddp_find_unused_parameters_true": ((2, 0),),
    "16-mixed": ((1, 9), (2, 0)),
    "bf16-mixed": ((1, 9), (2, 0)),
    "32-true": ((1, 9), (2, 0)),
    "64-true": ((1, 9), (2, 0)),
    "16-true": ((1, 9), (2, 1)),
    "bf16-true": ((1, 9), (2, 1)),
}
"""Since when a Trainer takes a value; beside what is gone by then it says the last 1.x."""
LATE_SETTING = re.compile(
    rf"""^[^#\n]*[:\s]["']?(?P<value>{"|".join(map(str, LATE_VALUES))})["']?\s*(?:#.*)?$""",
    re.MULTILINE,
)
LOGS = re.compile(r"\bself\.log(?:_dict)?\(")
NEW = re.compile(
    r"^\s*(?:import|from)\s+lightning(?:\.(?:pytorch|(?P<part>fabric|app|data|store|__\w+))\b|(?![\w.]))",
    re.MULTILINE,
)
"""The package ``lightning`` came with 2.0 (as a shell around the old name, shortly before). What is
none of its parts (``from lightning.system``) stands in a folder of the project that is called so.
"""
OLD_SETTINGS = re.compile(
    r"^\s*(?:gpus|resume_from_checkpoint|progress_bar_refresh_rate|weights_summary|tpu_cores|"
    r"distributed_backend|terminate_on_nan|checkpoint_callback|auto_scale_batch_size)\s*:",
    re.MULTILINE,
)
NEW_SETTINGS = re.compile(r"""(?:_target_|class_path)\s*:\s*["']?lightning\.""")
"""The same of settings in YAML."""
ENVIRONMENT = re.compile(r"^dependencies:\s*\n\s*-\s", re.MULTILINE)


def is_old(source: ReadFile) -> bool:
    if holds_settings(source):
        return OLD_SETTINGS.search(source.text) is not None
    known = any(word in source.text for word in OLD_WORDS)  # a tenth of the time of the pattern
    if not known or OLD.search(source.text):
        return known
    passed = OLD_PASSED.search(source.text) is not None
    return passed and any(map(_passes_what_is_old, ast.walk(_tree(source))))


def _passes_what_is_old(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return _is_for_trainer(node) and any(one.arg in OLD_ARGUMENTS for one in node.keywords)
    if isinstance(node, ast.FunctionDef) and NUMBERED.fullmatch(node.name):
        return any(one.arg == "optimizer_idx" for one in (*node.args.args, *node.args.kwonlyargs))
    return False


def _is_for_trainer(call: ast.Call) -> bool:
    """Whether arguments reach a Trainer: of ``make_trainer``, or in a dict that it is made with."""
    name = (dotted(call.func) or "").rpartition(".")[2]
    return "trainer" in name.lower() or name in ("dict", "partial", "update")


def is_older(source: ReadFile) -> bool:
    return not holds_settings(source) and OLDER.search(source.text) is not None


def floor_of(sources: Sequence[ReadFile]) -> Version:
    """The version that a project is not older than, as far as its code or its settings say one and
    the code has nothing that was gone by then; empty where they say none."""
    programs = [one for one in sources if not holds_settings(one)]
    late = [_tree(one) for one in programs if LATE.search(one.text)]
    floors = {floor for tree in late for floor in _floors(tree)}
    for one in sources:
        floors.update(_set_floors(one.text) if holds_settings(one) else ())
    ends = {end for one in programs for end in _ends(_tree(one))} if floors else ()
    return max((one for one in floors if not any(end <= one for end in ends)), default=())


def _set_floors(text: str) -> Iterator[Version]:
    """Since when there are the values that settings give."""
    for found in LATE_SETTING.finditer(text):
        yield from LATE_VALUES[found["value"]]


def ceiling_of(sources: Sequence[ReadFile]) -> Version:
    """The newest version that still took what the code of a project gives to Trainers and to
    ModelCheckpoint, and let its modules set ``hparams``; empty where every version did, or none.
    Tests, and code that asks which version there is, are written for several."""
    programs = [one for one in sources if not holds_settings(one) and not _is_for_several(one)]
    said = [_tree(one) for one in programs if any(word in one.text for word in DATED)]
    spans = [span for tree in said for span in _spans(tree)]
    first = max((begin for begin, _ in spans), default=())
    last = min((end for _, end in spans), default=())
    return last if first <= last < lightning.LATEST else ()


def _is_for_several(source: ReadFile) -> bool:
    return "__version__" in source.text or in_tests(Location(source.path, 1), frozenset())


def _spans(tree: ast.Module) -> Iterator[tuple[Version, Version]]:
    """The first and the last version that took an argument, or let ``self.hparams`` be set."""
    origins = dict(_origins(tree))
    for node in _untried(tree):
        match node:
            case ast.Call(function, keywords=keywords):
                taker = _of_lightning(function, origins)
                took = [_took(taker, one.arg or "") for one in keywords if taker in TAKERS]
                yield from ((versions[0], versions[-1]) for versions in took if versions)
            case ast.ClassDef() if _sets_hparams(node, origins):
                older = [
                    one for one in lightning.versions() if one < lightning.SETTER_GONE["module"]
                ]
                yield older[0], older[-1]


def _untried(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree, without what is only tried."""
    nodes = [tree]
    for node in nodes:  # which grows on the way
        yield node
        if not isinstance(node, ast.Try):
            nodes.extend(ast.iter_child_nodes(node))


def _origins(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What the names of a program are imported from."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from ((one.asname or one.name, one.name) for one in names)
            case ast.ImportFrom(str(module), names, 0):
                yield from ((one.asname or one.name, f"{module}.{one.name}") for one in names)


def _of_lightning(node: ast.expr, origins: Mapping[str, str]) -> str:
    """What an expression is of Lightning's, by its one name; empty where it is nothing of it."""
    head, dot, rest = (dotted(node) or "").partition(".")
    return lightning.canonical(f"{origins[head]}{dot}{rest}") or "" if head in origins else ""


def _sets_hparams(node: ast.ClassDef, origins: Mapping[str, str]) -> bool:
    """Whether a module sets Lightning's ``hparams``, and has none of its own."""
    given = (target for one in node.body for target in getattr(one, "targets", ()))
    own = {getattr(one, "name", "") for one in node.body} | {dotted(one) for one in given}
    stored = (one for one in _untried(node) if isinstance(one, ast.Attribute))
    kept = {dotted(one) for one in stored if isinstance(one.ctx, ast.Store)}
    is_module = any(_of_lightning(base, origins) == lightning.MODULE for base in node.bases)
    return is_module and "self.hparams" in kept and "hparams" not in own


def _floors(tree: ast.Module) -> Iterator[Version]:
    """Since when there is what a program uses: torch 2 is as old as Lightning 1.9 and 2.0, and
    torchmetrics learned ``task`` in the month before 1.8."""
    metrics = frozenset(_imported(tree, "torchmetrics"))
    if any(_imported(tree, "lightning_fabric")):
        yield (1, 9)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in LATE_VALUES:
            yield from LATE_VALUES[node.value]
        elif isinstance(node, ast.Attribute) and dotted(node) == "torch.compile":
            yield (1, 9)
        elif isinstance(node, ast.Call):
            given = {one.arg for one in node.keywords}
            of_metrics = (dotted(node.func) or "").partition(".")[0] in metrics
            if ("task" in given and of_metrics) or ("inference_mode" in given and _trains(node)):
                yield (1, 8)


def _ends(tree: ast.Module) -> Iterator[Version]:
    """The first versions without what a program uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _trains(node):
            took = [_took(lightning.TRAINER, one.arg or "") for one in node.keywords]
            yield from (end for versions in took if versions and (end := _next(versions[-1])))
        elif isinstance(node, ast.ClassDef) and node.bases:
            methods = (one.name for one in node.body if isinstance(one, ast.FunctionDef))
            yield from (end for name in methods if (end := _hook_end(name)))
        elif isinstance(node, ast.ImportFrom):
            gone = [removed.name(f"{node.module}.{one.name}") for one in node.names]
            yield from (one.version for one in gone if one is not None)


def _took(taker: str, name: str) -> list[Version]:
    """The versions in which a class takes an argument."""
    versions = lightning.versions()
    return [one for one in versions if name in lightning.argument_names(taker, one)]


def _next(version: Version) -> Version | None:
    return next((one for one in lightning.versions() if one > version), None)


def _hook_end(name: str) -> Version | None:
    """The first version in which Lightning calls no method of that name, where it once did."""
    kinds = lightning.HOOKED_KINDS
    if any(lightning.hook_exists(kind, name) for kind in kinds):
        return None
    found = (lightning.removed_hook(kind, name) for kind in kinds)
    return max((one.version for one in found if one is not None), default=None)


def _trains(call: ast.Call) -> bool:
    return (dotted(call.func) or "").rpartition(".")[2] == "Trainer"


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """What a program calls a package, and what it imports from it."""
    for node in ast.walk(tree):
        whole = isinstance(node, ast.Import)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for one in node.names:
                origin = one.name if whole else node.module or ""
                if origin.partition(".")[0] == package:
                    yield one.asname or (package if whole else one.name)


def _tree(source: ReadFile) -> ast.Module:
    """The code; empty where it is no Python."""
    try:
        return tree_of(source.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def logs(source: ReadFile) -> bool:
    """Whether code logs as one can since 0.10."""
    return LOGS.search(source.text) is not None


def is_new(source: ReadFile, is_own: Callable[[str, str], bool]) -> bool:
    """``is_own``: whether a file (by its path) imports such a module from its own project.
    ``from lightning.data import X`` is then as old as the rest."""
    if holds_settings(source):
        return NEW_SETTINGS.search(source.text) is not None
    parts = (match["part"] for match in NEW.finditer(source.text))
    return any(part is None or not is_own(f"lightning/{part}", source.path) for part in parts)


def holds_settings(source: ReadFile) -> bool:
    return source.path.endswith(SETTINGS)


def is_environment(source: ReadFile) -> bool:
    """Whether a YAML file is an environment of conda's, whatever it is called."""
    return holds_settings(source) and ENVIRONMENT.search(source.text) is not None
