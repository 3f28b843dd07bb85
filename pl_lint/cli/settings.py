"""``pl-lint --show-settings``: what would be judged by which rules, as which Lightning, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pl_lint.config import KEYS, Config
from pl_lint.report.result import Result
from pl_lint.report.text import version_of

if TYPE_CHECKING:
    from pl_lint.rules.registry import Rule


def render(result: Result, file: Path | None) -> Iterator[str]:
    """The settings as one would write them, then what they come to."""
    yield f"# from {file or 'no file: these are the defaults and the command line'}"
    yield f"# patterns are relative to {result.config.root}"
    yield from _settings(result.config)
    yield ""
    yield from _rules(result.config, tuple(result.rules))
    yield f"files read: {result.read}, with Lightning code: {result.relevant}"
    for one in result.judged:
        yield f"judged as code for Lightning {version_of(one)}: {one.files}"
    yield from (f"warning: {one}" for one in result.warnings)


def _settings(config: Config) -> Iterator[str]:
    for key in KEYS:
        value = getattr(config, key.replace("-", "_"))
        yield f"{key} = {_written(value)}"


def _written(value: object) -> str:
    """As in TOML, or nearly: what is not set has no word there."""
    if value is None:
        return "(not set)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        table = (f'"{pattern}" = {_written(codes)}' for pattern, codes in value)
        return f"{{ {', '.join(table)} }}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    return f'"{getattr(value, "value", value)}"'


def _rules(config: Config, rules: Iterable[Rule]) -> Iterator[str]:
    every = tuple(rules)
    on = [rule.code for rule in every if config.selects(rule)]
    previews = [rule.code for rule in every if rule.preview]
    yield f"{len(on)} of {len(every)} rules: {', '.join(on)}"
    yield f"in preview: {', '.join(previews) or 'none'}"
