"""Composes configs as Hydra does: defaults lists, groups, overrides, packages.

https://hydra.cc/docs/advanced/defaults_list/ and https://hydra.cc/docs/advanced/overriding_packages/
What is composed of something that was not read (a config that code registers, a search path in
another package) is marked ``open``: nobody knows what that adds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from pl_lint.plain import field, frozen, mutable
from pl_lint.static.configs.commandline import is_read_by_cli
from pl_lint.static.configs.files import ConfigFile
from pl_lint.static.configs.tree import Leaf, Listing, Node, Table

SELF = "_self_"
GLOBAL = "_global_"
MISSING = "???"
SEARCHES = re.compile(r"^\w*(?:search|sweep|hparams|optuna|tune)\w*/")
"""A group of searches for hyper-parameters. Most come with a template, and are for its example."""
DEEPEST = 12
"""Configs that are composed of configs; also ends circles."""
ROUNDS = 4
"""Passes until no override turns up any more that changes which files there are."""
MOST = 150
"""Compositions of one folder."""


@frozen(eq=False)
class Root:
    """A folder that Hydra composes from; ``files`` by their path in it without suffix."""

    folder: str
    files: Mapping[str, ConfigFile]

    @property
    def primaries(self) -> tuple[str, ...]:
        """What a program may ask for: the files at the top that have a list of defaults."""
        return tuple(
            name
            for name, file in sorted(self.files.items())
            if "/" not in name and file.defaults is not None
        )


@frozen(eq=False)
class Composition:
    """What one program gets. ``open``: some part of it was not read. ``chosen``: it is what runs
    without an option, or what an experiment asks for; else it is a choice that nobody made here."""

    tree: Table
    files: frozenset[str]
    open: bool
    chosen: bool = True
    added: str = ""
    """The file that nothing else chooses."""


@frozen
class _Part:
    """One config of a composition and the package that it goes to."""

    file: ConfigFile
    package: str


@mutable
class _Plan:
    """Which configs are composed, in which order."""

    root: Root
    overrides: dict[str, tuple[str, ...]]
    forced: frozenset[str] = frozenset()
    parts: list[_Part] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    open: bool = False


# --- folders --------------------------------------------------------------------------------------


def roots(files: Sequence[ConfigFile]) -> Iterator[Root]:
    """The folders that Hydra composes from: the highest ones whose lists name groups below them."""
    by_path = {_bare(file.path): file for file in files}
    candidates = {_folder(path) for path, file in by_path.items() if _names_groups(file, by_path)}
    for folder in sorted(candidates):
        if any(_is_below(folder, other) for other in candidates):
            continue
        prefix = f"{folder}/" if folder else ""
        below = {
            path.removeprefix(prefix): file
            for path, file in by_path.items()
            if path.startswith(prefix)
        }
        groups = _groups_named(below)
        yield Root(folder, {n: file for n, file in below.items() if _belongs(n, file, groups)})


def _belongs(name: str, file: ConfigFile, groups: frozenset[str]) -> bool:
    """Whether a file is one of the root's: in a folder that some list names, or at its top, where
    settings of LightningCLI may lie as well."""
    head, slash, _ = name.partition("/")
    of_cli = file.defaults is None and "class_path" in file.text and is_read_by_cli(file)
    return head in groups if slash else not of_cli


def _groups_named(files: Mapping[str, ConfigFile]) -> frozenset[str]:
    groups = {
        group.lstrip("/").partition("/")[0]
        for file in files.values()
        for group, _ in _entries(file)
    }
    alone = {"experiment", "experiments"}  # asked for on the command line: +experiment=x
    return frozenset(groups | alone)


def _names_groups(file: ConfigFile, by_path: Mapping[str, ConfigFile]) -> bool:
    """Whether a list of defaults names a config in a folder beside the file."""
    folder = _folder(_bare(file.path))
    prefix = f"{folder}/" if folder else ""
    return any(
        option is not None and f"{prefix}{group}/{option}" in by_path
        for group, options in _entries(file)
        if group and not group.startswith("/")
        for option in options
    )


def _entries(file: ConfigFile) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The groups that a list of defaults names, with their options."""
    for node in file.defaults or ():
        entry = _entry(node)
        if entry is not None and not entry.group and "/" in entry.options[0]:
            group, _, option = entry.options[0].rpartition("/")
            yield group, (option,)
        elif entry is not None:
            yield entry.group, entry.options


def _bare(path: str) -> str:
    pure = PurePosixPath(path)
    return str(pure.with_suffix(""))


def _folder(path: str) -> str:
    folder = str(PurePosixPath(path).parent)
    return "" if folder == "." else folder


def _is_below(folder: str, other: str) -> bool:
    return folder != other and (not other or folder.startswith(f"{other}/"))


# --- entries of a list of defaults ----------------------------------------------------------------


@frozen
class _Entry:
    """``override /group@package: [options]``; without a group the option stands in the same one."""

    group: str
    options: tuple[str, ...]
    package: str | None = None
    override: bool = False
    optional: bool = False


def _entry(node: Node) -> _Entry | None:
    """One line of a list of defaults; None where a value decides what it means."""
    if isinstance(node, Leaf):
        name, _, package = str(node.value).partition("@")
        words = name.split()
        optional = "optional" in words[:-1]
        path = words[-1] if words else ""
        return _Entry("", (_plain(path),), package or None, optional=optional)
    assert isinstance(node, Table)
    ((key, given),) = node.entries.items()
    *words, name = key.split() or [""]
    group, _, package = name.partition("@")
    options = _options(given)
    if options is None:
        return None
    return _Entry(group, options, package or None, "override" in words, "optional" in words)


def _options(given: Node) -> tuple[str, ...] | None:
    items = given.items if isinstance(given, Listing) else (given,)
    values = [item.value if isinstance(item, Leaf) else ... for item in items]
    if any(not isinstance(value, str) and value is not None for value in values):
        return None
    texts = tuple(_plain(value) for value in values if isinstance(value, str))
    return None if any("${" in text or text == MISSING for text in texts) else texts


def _plain(option: str) -> str:
    """The name of a config; its suffix may be written."""
    return option.removesuffix(".yaml").removesuffix(".yml")


# --- composing ------------------------------------------------------------------------------------


def compositions(root: Root) -> Iterator[Composition]:
    """What each program gets: alone, with each experiment, and with what nothing else chooses."""
    seen: set[str] = set()
    made = 0
    for name in root.primaries:
        one = _composed(root, name)
        seen |= one.files
        yield one
    base = _usual(root)
    if base is None:
        return
    for name, file in sorted(root.files.items()):
        if "/" not in name or file.path in seen or name.startswith("hydra/") or made >= MOST:
            continue
        if _is_experiment(name, file):
            one = _composed(root, base, name)
            seen |= one.files - {file.path}
            made += 1
            yield one
    for name, file in sorted(root.files.items()):
        is_choice = "/" in name and file.path not in seen and not name.startswith("hydra/")
        if is_choice and not _is_experiment(name, file) and made < MOST:
            made += 1
            yield _composed(root, base, name, chosen=False)


def _is_experiment(name: str, file: ConfigFile) -> bool:
    return file.package == GLOBAL and not SEARCHES.match(name)


def _usual(root: Root) -> str | None:
    """The program that experiments are for: the one that trains."""
    names = root.primaries
    training = (name for name in names if "train" in name)
    return next(training, None) or next(
        (name for name in names if "eval" not in name and "test" not in name), None
    )


def _composed(root: Root, primary: str, added: str = "", chosen: bool = True) -> Composition:
    """One program with one more config: instead of another one of its group, or behind all."""
    group, _, option = added.rpartition("/")
    forced = {group: (option,)} if added else {}
    overrides = dict(forced)
    plan = _Plan(root, overrides, frozenset(forced))
    for _ in range(ROUNDS):
        before = dict(overrides)
        plan = _Plan(root, overrides, frozenset(forced))
        _visit(plan, primary, "", None, 0)
        if added and group not in plan.used:
            _visit(plan, added, "", group.replace("/", "."), 0)
        if overrides == before:
            break
    tree = Table({}, root.files[primary].tree.place)
    for part in plan.parts:
        tree = _merged(tree, _packed(part))
    if added and not _is_for(root, primary, group):
        plan.open = True
    paths = frozenset(part.file.path for part in plan.parts)
    extra = root.files[added].path if added and not chosen else ""
    return Composition(tree, paths, plan.open, chosen, extra)


def _is_for(root: Root, primary: str, group: str) -> bool:
    """Whether a config is surely added to this program and to no other one."""
    named = {entry.partition("/")[0] for entry, _ in _entries(root.files[primary])}
    training = [name for name in root.primaries if "eval" not in name and "test" not in name]
    return group.partition("/")[0] in named or len(training) == 1


def _visit(plan: _Plan, name: str, parent: str, package: str | None, depth: int) -> None:
    """Add a config and what it is composed of. ``package`` is what its folder or the list says."""
    file = plan.root.files.get(name)
    if file is None or depth > DEEPEST:
        plan.open = True
        return
    group = name.rpartition("/")[0]
    given = file.package
    own = given.replace("_group_", group.replace("/", ".")) if given is not None else package or ""
    home = _joined(parent, own)
    myself = _Part(file, home)
    placed = False
    for node in file.defaults or ():
        entry = _entry(node)
        if entry is None:
            plan.open = True
        elif entry.options == (SELF,) and not entry.group:
            plan.parts.append(myself)
            placed = True
        elif entry.override:
            _override(plan, group, entry)
        else:
            _include(plan, group, home, entry, depth)
    if not placed:
        plan.parts.append(myself)


def _override(plan: _Plan, group: str, entry: _Entry) -> None:
    wanted = _absolute(group, entry.group)
    if wanted not in plan.forced:
        plan.overrides[wanted] = entry.options


def _include(plan: _Plan, group: str, home: str, entry: _Entry, depth: int) -> None:
    if entry.group:
        folder = _absolute(group, entry.group)
        relative = entry.group.lstrip("/").replace("/", ".")
    else:
        path = entry.options[0]
        folder = _absolute(group, path).rpartition("/")[0]
        relative = path.lstrip("/").rpartition("/")[0].replace("/", ".")
    if folder == "hydra" or folder.startswith("hydra/"):
        return
    plan.used.add(folder)
    options = plan.overrides.get(folder, entry.options) if entry.group else entry.options
    for option in options:
        name = f"{folder}/{option.rpartition('/')[2] if not entry.group else option}".lstrip("/")
        if name not in plan.root.files and entry.optional:
            continue
        package = entry.package if entry.package is not None else relative
        _visit(plan, name, home, package.replace("_group_", folder.replace("/", ".")), depth + 1)


def _absolute(group: str, name: str) -> str:
    if name.startswith("/"):
        return name.lstrip("/")
    return f"{group}/{name}" if group else name


def _joined(parent: str, package: str) -> str:
    """A package within another one; ``_global_`` leaves all others (``get_final_package``)."""
    whole = ".".join(filter(None, (parent, package)))
    return whole.rpartition(GLOBAL)[2].lstrip(".")


def _packed(part: _Part) -> Table:
    """What a config holds, at its package."""
    tree = part.file.content
    for name in reversed(part.package.split(".") if part.package else ()):
        tree = Table({name: tree}, tree.place, {name: tree.place})
    return tree


def _merged(below: Table, above: Table) -> Table:
    """Two configs, the second over the first, as OmegaConf merges them: lists are replaced."""
    entries = dict(below.entries)
    for name, node in above.entries.items():
        old = entries.get(name)
        if isinstance(old, Table) and isinstance(node, Table):
            entries[name] = _merged(old, node)
        elif old is None or not _is_missing(node):
            entries[name] = node
    keys = {**below.keys, **above.keys}
    return Table(entries, above.place, keys, below.open or above.open)


def _is_missing(node: Node) -> bool:
    return isinstance(node, Leaf) and node.value == MISSING
