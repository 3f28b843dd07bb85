"""Which files of a project other files name, by their texts alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import PurePath

BY_TEXT = re.compile(
    r"import_module\((?!\s*[\"'][\w.]+[\"']\s*\))|__import__|pkgutil|run_path|instantiate_class|"
    r"get_class\b|walk_packages"
)
"""What imports files by names that it puts together: it may mean any."""
FROM = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import|import[ \t]+([\w.]+))", re.MULTILINE)

DATA = r"\.(?:csv|tsv|jsonl?|txt|ya?ml|toml|ckpt|pth?|pkl|npy|npz|parquet|h5|png|jpe?g|log|zip)\b"
"""What a text names with one of these is no Python file of that name."""

NAMES_ALONE = re.compile(
    r"[\s(]*\w+(?:\s+as\s+\w+)?(?:\s*,\s*\w+(?:\s+as\s+\w+)?)*[\s,)\\]*(?:#.*)?"
)
"""A line of a longer import: names and nothing else."""

Text = tuple[str, str]
"""The path of a file, and what stands in it."""


def unnamed(paths: Set[str], texts: Sequence[Text]) -> Iterator[str]:
    """Those of these files that no other file names where it imports, in a text, as a part of a
    name or with its suffix."""
    by_text = any(BY_TEXT.search(text) for _, text in texts)
    files = {path for path in paths if path.endswith(".ipynb") or not by_text}
    if not files:
        return
    named = _named({PurePath(path).stem for path in files}, texts)
    alone = [path for path in files if named[PurePath(path).stem] <= {path}]
    handed_on = {package for _, text in texts for package in _packages(text)} if alone else set()
    yield from (path for path in alone if PurePath(path).parent.name not in handed_on)


def _named(stems: Set[str], texts: Iterable[Text]) -> dict[str, set[str]]:
    """The files that name each of these."""
    names = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(stems)))})\b")
    named: dict[str, set[str]] = {stem: set() for stem in stems}
    for path, text in texts:
        for match in names.finditer(text):
            known = named[match[0]]
            if path not in known and _names(_line_around(match, text), match[0]):
                known.add(path)
    return named


def _packages(text: str) -> Iterator[str]:
    """The last names of what a file imports from: if it is a package, that hands on what stands in
    its files."""
    for match in FROM.finditer(text):
        yield (match[1] or match[2]).rpartition(".")[2]


def _line_around(match: re.Match[str], text: str) -> str:
    end = text.find("\n", match.end())
    return text[text.rfind("\n", 0, match.start()) + 1 : end if end >= 0 else len(text)]


def _names(line: str, stem: str) -> bool:
    """Whether a line may mean the file: an import, or one of the lines of a longer one, a part of a
    dotted name, a text, in YAML without quotes (``_target_: nets.Net``)."""
    name = re.escape(stem) + rf"(?!{DATA})"
    return bool(
        re.search(rf"\b(?:import|from)\b.*\b{name}\b|\.{name}\b|\b{name}\.(?:py|ipynb)\b", line)
        or re.search(rf"[\"'/]{name}[\"'/.]|:\s+{name}\.", line)
        or re.search(rf"(?:%run|\brun\b[\"',\s]+)\s*\S*\b{name}\b", line)
        or NAMES_ALONE.fullmatch(line)
    )
