"""What the user wants: ``[tool.pl-lint]`` in pyproject.toml, overridden by the command line.

Anything not understood is an error with the file, the key and what to write instead: a misspelled
setting that is passed over in silence would switch a rule off without anybody noticing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pl_lint.findings import Finding, Status
from pl_lint.fixes import Applicability
from pl_lint.plain import field, frozen, mutable, replace
from pl_lint.trail import Trail

EVERYTHING = "ALL"
LISTED = "`pl-lint rules` lists them"
TABLE = "pl-lint"
FAIL_ON = {status.value: status for status in (Status.CERTAIN, Status.SUSPECTED)}


class Selectable(Protocol):
    """What selection needs to know of a rule."""

    @property
    def code(self) -> str: ...

    @property
    def default(self) -> bool: ...

    @property
    def preview(self) -> bool: ...

    @property
    def migration(self) -> bool: ...


@mutable
class ConfigError(Exception):
    """A setting that cannot be meant as it stands: where, what, and what to write instead."""

    where: str
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")


@frozen
class Config:
    """The settings of one run.

    ``root`` is the folder that patterns are relative to: where the configuration file lies, or the
    working directory. An empty ``select`` stands for the rules that are on by default.
    ``per_file_ignores`` are patterns, each with the codes that are ignored where it matches.
    ``target`` is the Lightning that the code is to run with one day, whatever it is pinned to.
    """

    root: Path = field(default_factory=Path.cwd)
    select: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    preview: bool = False
    unsafe_fixes: bool = False
    lightning_version: str | None = None
    target: str | None = None
    fail_on: Status = Status.CERTAIN

    def selects(self, rule: Selectable) -> bool:
        """Whether a rule is on. The longest selector that matches decides, a tie switches it off.

        So ``select = ["ALL"]``, ``ignore = ["LTN1"]``, ``extend-select = ["LTN101"]`` is
        everything but logging, and LTN101. Rules in preview are off without ``preview``. Rules that
        only tell what a new Lightning spells otherwise are on where that Lightning is the target.
        """
        if rule.preview and not self.preview:
            return False
        on = _strength(self.select + self.extend_select, rule.code)
        if not self.select and (rule.default or (self.target is not None and rule.migration)):
            on = max(on, 0)
        return on > _strength(self.ignore, rule.code)

    def hides(self, finding: Finding) -> bool:
        """Whether the finding's file is one where its code is ignored."""
        ignored = _ignored_in(self, finding.location.path)
        return any(matches(selector, finding.code) for selector in ignored)

    def idle_patterns(self, files: Iterable[Path]) -> tuple[str, ...]:
        """The patterns of ``per_file_ignores`` that none of the files matches."""
        if not self.per_file_ignores:
            return ()
        from pathspec import GitIgnoreSpec

        relative = [_relative(self, str(file)) for file in files]
        specs = {one: GitIgnoreSpec.from_lines([one]) for one, _ in self.per_file_ignores}
        return tuple(one for one, spec in specs.items() if not any(map(spec.match_file, relative)))

    def may_fix(self, finding: Finding) -> bool:
        """Whether ``--fix`` would mend it as the settings are."""
        return finding.fix is not None and finding.fix.applicability in self.fixes

    @property
    def fixes(self) -> frozenset[Applicability]:
        """Which fixes are made without being looked at."""
        unsafe = {Applicability.UNSAFE} if self.unsafe_fixes else set()
        return frozenset({Applicability.SAFE, *unsafe})

    def counts(self, finding: Finding) -> bool:
        """Whether a finding of the reader makes ``pl-lint`` fail."""
        suspected_counts = self.fail_on is Status.SUSPECTED
        return finding.counts_for_reader or (
            suspected_counts and finding.status is Status.SUSPECTED
        )


def _ignored_in(config: Config, path: str) -> tuple[str, ...]:
    """The selectors that are ignored in a file."""
    if not config.per_file_ignores:
        return ()
    from pathspec import GitIgnoreSpec

    relative = _relative(config, path)
    return tuple(
        selector
        for pattern, selectors in config.per_file_ignores
        if GitIgnoreSpec.from_lines([pattern]).match_file(relative)
        for selector in selectors
    )


def _relative(config: Config, path: str) -> str:
    """A path as patterns see it."""
    return os.path.relpath(os.path.abspath(path), config.root).replace(os.sep, "/")


def _strength(selectors: Iterable[str], code: str) -> int:
    """How many characters of ``code`` the most specific selector names; -1 where none matches."""
    matching = (0 if s == EVERYTHING else len(s) for s in selectors if matches(s, code))
    return max(matching, default=-1)


def matches(selector: str, code: str) -> bool:
    """Whether ``LTN101``, a prefix such as ``LTN1``, or ``ALL`` covers a code."""
    return selector == EVERYTHING or code.startswith(selector)


# --- reading settings -----------------------------------------------------------------------------


@frozen
class _Reader:
    """Turns the raw values of one place into settings; knows where it is for its messages."""

    where: str
    known_codes: Iterable[str]

    def codes(self, key: str, value: object) -> tuple[str, ...]:
        return tuple(self._code(key, text) for text in self.texts(key, value))

    def _code(self, key: str, text: str) -> str:
        code = text.upper()
        if code and any(matches(code, known) for known in self.known_codes):
            return code
        near = nearest(code, [*self.known_codes, EVERYTHING])
        hint = f"did you mean {near!r}?" if near else LISTED
        raise self.error(key, f"no rule has the code {text!r}", hint)

    def texts(self, key: str, value: object) -> tuple[str, ...]:
        if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
            return tuple(value)
        raise self.error(key, f"must be a list of strings, not {value!r}", f'write ["{value}"]')

    def patterns(self, key: str, value: object) -> tuple[str, ...]:
        """Patterns in the syntax of ``.gitignore``."""
        texts = self.texts(key, value)
        for text in texts:
            self._check_pattern(key, text)
        return texts

    def codes_by_pattern(self, key: str, value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """A table of patterns, each with a list of codes."""
        if not isinstance(value, Mapping):
            remedy = '"tests/**" = ["LTN106"]'
            raise self.error(key, f"must be a table, not {value!r}", f"write {remedy}")
        for pattern in value:
            self._check_pattern(key, pattern)
        return tuple(
            (pattern, self.codes(f'{key}."{pattern}"', codes)) for pattern, codes in value.items()
        )

    def boolean(self, key: str, value: object) -> bool:
        if isinstance(value, bool):
            return value
        raise self.error(key, f"must be true or false, not {value!r}", "write true")

    def _check_pattern(self, key: str, text: str) -> None:
        from pathspec import GitIgnoreSpec

        try:
            GitIgnoreSpec.from_lines([text])
        except ValueError as error:
            remedy = "write it as in .gitignore"
            raise self.error(key, f"{text!r} is no pattern: {error}", remedy) from error

    def version(self, key: str, value: object) -> str:
        if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+){0,2}", value):
            return value
        raise self.error(key, f"must be a version of Lightning, not {value!r}", 'write "2.6"')

    def target(self, key: str, value: object) -> str:
        if isinstance(value, str) and re.fullmatch(r"2(\.\d+){0,2}", value):
            return value
        remedy = 'write "2", and `lightning-version` for code that stays with 1.x'
        raise self.error(key, f"must be a version of Lightning 2, not {value!r}", remedy)

    def status(self, key: str, value: object) -> Status:
        if isinstance(value, str) and value in FAIL_ON:
            return FAIL_ON[value]
        choices = " or ".join(f'"{name}"' for name in FAIL_ON)
        raise self.error(key, f"must be {choices}, not {value!r}", _nearest(str(value), FAIL_ON))

    def error(self, key: str, problem: str, remedy: str) -> ConfigError:
        return ConfigError(self.where, f"`{key}`: {problem}", remedy)

    def settings(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments of ``Config`` that the raw table stands for."""
        for key in raw:
            if key not in KEYS:
                raise self.error(key, "no such setting", _nearest(key, KEYS))
        return {
            key.replace("-", "_"): getattr(self, KEYS[key])(key, value)
            for key, value in raw.items()
        }


KEYS: Mapping[str, str] = {
    "select": "codes",
    "extend-select": "codes",
    "ignore": "codes",
    "exclude": "patterns",
    "per-file-ignores": "codes_by_pattern",
    "preview": "boolean",
    "unsafe-fixes": "boolean",
    "lightning-version": "version",
    "target": "target",
    "fail-on": "status",
}
"""Each setting and the reading that it gets."""


def _nearest(word: str, candidates: Iterable[str]) -> str:
    """A hint: the candidate that was probably meant, or all of them where nothing is near."""
    known = sorted(candidates)
    near = nearest(word, known)
    if near:
        return f"did you mean {near!r}?"
    return f"known: {', '.join(known)}"


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a misspelled word probably means; of two that are equally near, the one
    with more letters in their places."""
    from difflib import SequenceMatcher

    def nearness(candidate: str) -> tuple[float, int]:
        in_place = sum(a == b for a, b in zip(word, candidate, strict=False))
        return SequenceMatcher(None, word, candidate).ratio(), in_place

    best = max(sorted(candidates), key=nearness, default=None)
    return best if best is not None and nearness(best)[0] >= 0.5 else None


# --- finding the file -----------------------------------------------------------------------------


def load(
    paths: Sequence[Path] = (),
    overrides: Mapping[str, Any] | None = None,
    known_codes: Iterable[str] = (),
    file: Path | None = None,
    trail: Trail | None = None,
) -> Config:
    """The settings for reading ``paths``: from ``file`` or the nearest pyproject.toml, then
    ``overrides`` with the same keys from the command line.

    ``select`` on the command line drops the file's selection whole (its ``ignore`` too): who asks
    for a rule by hand gets it.
    """
    trail = trail or Trail()
    base = _from_file(file, known_codes, trail) if file else _discovered(paths, known_codes, trail)
    raw = dict(overrides or {})
    settings = _Reader("command line", known_codes).settings(raw)
    if "select" in settings:
        base = replace(base, extend_select=(), ignore=())
    settings["extend_select"] = base.extend_select + settings.get("extend_select", ())
    return replace(base, **settings)


def _discovered(paths: Sequence[Path], known_codes: Iterable[str], trail: Trail) -> Config:
    found = nearest_file(paths, trail)
    table = _table(found) if found else None
    return Config() if found is None or table is None else _configured(found, table, known_codes)


def nearest_file(paths: Sequence[Path], trail: Trail) -> Path | None:
    """The pyproject.toml with settings of ours that is nearest to what is read."""
    start = _common_folder(paths)
    for folder in (start, *start.parents):
        candidate = folder / "pyproject.toml"
        trail.saw(str(candidate))
        if candidate.is_file() and _table(candidate) is not None:
            return candidate
    return None


def _common_folder(paths: Sequence[Path]) -> Path:
    """The deepest folder that holds everything to be read."""
    if not paths:
        return Path.cwd()
    absolute = [Path(os.path.abspath(path)) for path in paths]
    try:
        common = Path(os.path.commonpath(absolute))
    except ValueError:  # different drives
        return Path.cwd()
    return common if common.is_dir() else common.parent


def _from_file(file: Path, known_codes: Iterable[str], trail: Trail) -> Config:
    trail.saw(os.path.abspath(file))
    if not file.is_file():
        raise ConfigError(str(file), "no such file", "name a TOML file with a [tool.pl-lint] table")
    table = _table(file)
    if table is None:
        raise ConfigError(str(file), "has no [tool.pl-lint] table", "add one, or drop --config")
    return _configured(file, table, known_codes)


def _configured(file: Path, table: Mapping[str, Any], known_codes: Iterable[str]) -> Config:
    settings = _Reader(_shown(file), known_codes).settings(table)
    return Config(root=Path(os.path.abspath(file)).parent, **settings)


def _shown(file: Path) -> str:
    """A path as short as it can be said from the working directory."""
    try:
        return Path(os.path.abspath(file)).relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(file)


def _table(file: Path) -> Mapping[str, Any] | None:
    """The ``[tool.pl-lint]`` table of a TOML file, ``None`` where it has none."""
    tool = _toml(file).get("tool", {})
    if not isinstance(tool, dict):
        return None
    for name in tool:
        if name != TABLE and _squeezed(name) == _squeezed(TABLE):
            raise ConfigError(_shown(file), f"[tool.{name}] is not read", f"write [tool.{TABLE}]")
    table = tool.get(TABLE)
    if table is None or isinstance(table, dict):
        return table
    raise ConfigError(_shown(file), f"`tool.{TABLE}` must be a table, not {table!r}")


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _toml(file: Path) -> Mapping[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ConfigError(_shown(file), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(_shown(file), f"is not valid TOML: {error}", "correct it") from error
