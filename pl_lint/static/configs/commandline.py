"""Which settings LightningCLI reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pl_lint.facts import lightning
from pl_lint.static.configs.files import ConfigFile, walk
from pl_lint.static.configs.tree import Table
from pl_lint.static.names import ClassInfo, Project

SUBCOMMANDS = ("fit", "validate", "test", "predict")


def command_lines(tree: Table) -> Iterator[tuple[tuple[str, ...], Table]]:
    """The tables in a file that LightningCLI reads: all of it, or one for each subcommand."""
    candidates: Iterable[tuple[tuple[str, ...], Table | None]] = (
        ((), tree),
        *(((name,), tree.table(name)) for name in SUBCOMMANDS),
    )
    for path, table in candidates:
        if table is not None and _is_command_line(table):
            yield path, table


def is_read_by_cli(file: ConfigFile) -> bool:
    """Whether some part of a file is settings of LightningCLI."""
    return next(command_lines(file.tree), None) is not None


def configures_itself(project: Project) -> bool:
    """Whether a class of the project that builds on LightningCLI says how optimizers and
    schedulers are set up (``configure_optimizers``, ``add_lr_scheduler_args(link_to=...)``)."""
    classes = (info for module in project.modules for info in module.classes.values())
    return any(
        any(isinstance(base, str) and base.endswith("CLI") for base in project.ancestors(info))
        and _sets_up(info)
        for info in classes
    )


def _sets_up(info: ClassInfo) -> bool:
    return "configure_optimizers" in info.methods or "lr_scheduler" in info.module.source.text


def _is_command_line(table: Table) -> bool:
    """Whether settings are written for LightningCLI: classes by ``class_path`` or its seed, and a
    trainer whose keys are mostly those of Lightning's."""
    trainer = table.table("trainer")
    if trainer is None or not trainer.entries:
        return False
    by_path = any(one.get("class_path") is not None for _, one in walk(table))
    if not by_path and table.get("seed_everything") is None:
        return False
    return is_trainer(trainer)


def is_trainer(table: Table) -> bool:
    """Whether most keys of a table are arguments of Lightning's Trainer, well or nearly well
    spelled."""
    known = {
        name
        for version in lightning.versions()
        for name in lightning.argument_names(lightning.TRAINER, version)
    }
    meant = [name for name in table.entries if name in known or _is_nearly(name, known)]
    return 2 * len(meant) > len(table.entries)


def _is_nearly(name: str, known: Iterable[str]) -> bool:
    from difflib import get_close_matches  # only where a name is not known

    plain = name.isidentifier()  # ``callbacks+`` adds to those of another file
    return plain and bool(get_close_matches(name, known, n=1, cutoff=0.9))
