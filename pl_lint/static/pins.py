"""What files of requirements ask for: Lightning, torchmetrics, torch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial

from pl_lint.facts import lightning
from pl_lint.facts.floors import newest_beside
from pl_lint.plain import frozen
from pl_lint.static.specifiers import (
    Version,
    is_below,
    newest_admitted,
    numbers,
    oldest_admitted,
)

PIN = re.compile(
    r"""(?<![\w/.-])(?:pytorch[-_]lightning|lightning)(?![\w./-])["']?\s*(?:\[[\w,\s-]*\])?
    \s*(?:=\s*\{[^}]*?version\s*=\s*|["']?\s*:\s*\{[^}]*?"version"\s*:\s*)?(?:=\s*(?=["']))?["'(]?\s*
    (?P<spec>(?:[=<>!~^]{1,3}\s*\d[\w.*]*|\d+\.[\w.*]+)(?:\s*,\s*[=<>!~]{1,3}\s*\d[\w.*]*)*)""",
    re.VERBOSE,
)
LOCKED = re.compile(
    r"""name\s*=\s*"(?:pytorch-lightning|lightning)"\s*\n(?:(?!\[)[^\n]*\n)*?"""
    r"""version\s*=\s*"(?P<spec>\d+(?:\.\d+)*)"""
)
"""A package of a lock file; the first of poetry's put other lines before the version."""
OTHERS = {
    package: (
        re.compile(LOCKED.pattern.replace("pytorch-lightning|lightning", names)),
        re.compile(PIN.pattern.replace("pytorch[-_]lightning|lightning", names), re.VERBOSE),
    )
    for package, names in (("torchmetrics", "torchmetrics"), ("torch", "torch|pytorch"))
}
FROM_GIT = re.compile(r"""(?:pytorch[-_]lightning|lightning)(?:\.git)?@v?(?P<spec>\d+(?:\.\d+)+)""")
"""A tag in the address of a repository: ``git+https://.../pytorch-lightning.git@1.5.10``."""
PIN_OF_TORCH = re.compile(
    PIN.pattern.replace("(?:pytorch[-_]lightning|lightning)", r"(?P<name>pytorch|torch(?:vision)?)")
    + r"""(?=(?P<rest>[^\n"',]*))""",
    re.VERBOSE,
)
LOCKED_TORCH = re.compile(
    LOCKED.pattern.replace("(?:pytorch-lightning|lightning)", r"(?P<name>torch(?:vision)?)")
    + r"(?P<rest>)"
)
ANY_TORCH = re.compile(
    r"""^[\s'"-]*(?:torch|pytorch)["']?\s*(?:>=?[^,;\n]*|["'*=\s]*)?["']?,?[ \t]*(?:;.*)?$""",
    re.MULTILINE,
)
"""A line that asks for torch, without saying which is too new."""
LIGHTNING = re.compile(r"(?<![\w/.-])(?:pytorch[-_]lightning|lightning)(?![\w./-])")
CHANNELS = re.compile(r"^channels:[ \t]*\n(?:[ \t]*-[^\n]*\n)*", re.MULTILINE)
"""Where conda looks; one place is called pytorch."""
LIBRARY = ("setup.py", "setup.cfg", "pyproject.toml")
"""What says with which versions a package may work; which are installed, other files say."""


@frozen
class Bound:
    """The newest Lightning that a pin of something else leaves room for, and that pin."""

    version: Version
    said: str = ""


def pins_of(text: str) -> Iterator[tuple[bool, str | None, Version]]:
    """Whether each mention of Lightning is of the package ``lightning``, the newest version that
    it admits (None for no limit), and the oldest."""
    text = re.sub(r"(?m)^\s*#.*$", "", text)
    for pattern in (LOCKED, PIN, FROM_GIT):
        for match in pattern.finditer(text):
            spec = match["spec"]
            yield "pytorch" not in match[0], newest_admitted(spec), oldest_admitted(spec)


def specifiers_of(package: str, text: str) -> Iterator[str]:
    """What a text says of the version of torchmetrics or torch."""
    text = re.sub(r"(?m)^\s*#.*$", "", text)
    for pattern in OTHERS[package]:
        yield from (match["spec"] for match in pattern.finditer(text))


def beside_torch(file: str, text: str) -> Bound | None:
    """The newest Lightning beside the torch and the torchvision that a file asks for; None where
    it asks for none, or for any without asking for Lightning (others install that), or says that a
    package works with any.

    Of several for one package (of extras, of platforms) the newest counts, but what says no limit
    is no answer beside what says one, and none counts that only some platform needs.
    """
    if "torch" not in text:
        return None
    text = re.sub(r"(?m)(?:^|\s)#.*$", "", CHANNELS.sub("", text))
    asked = list(LOCKED_TORCH.finditer(text)) or list(PIN_OF_TORCH.finditer(text))
    pins = [_beside_pin(one) for one in asked if ";" not in (one["rest"] or "")]
    visions = [pin for one, pin in pins if one == "torchvision"]
    torches = [pin for one, pin in pins if one != "torchvision"]
    if ANY_TORCH.search(text) and not LOCKED_TORCH.search(text):
        torches.append(Bound(lightning.LATEST))
    torches = [one for one in torches if one.version < lightning.LATEST] or torches
    newest = [max(of, key=_newness) for of in (torches, visions) if of]
    found = min(newest, key=_newness, default=None)
    is_open = found is not None and found.version == lightning.LATEST
    installs = LIGHTNING.search(text) and os.path.basename(file) not in LIBRARY
    return None if is_open and not installs else found


def _beside_pin(one: re.Match[str]) -> tuple[str, Bound]:
    """Which package is pinned, and the newest Lightning beside it."""
    name, spec = one["name"], one["spec"]
    newest = newest_beside(partial(is_below, spec), vision=name == "torchvision")
    said = name + ("==" if spec[0].isdigit() else "") + spec.replace(" ", "")
    return name, Bound(newest or min(lightning.versions()), said)


def _newness(bound: Bound) -> Version:
    return bound.version


def newest_of(text: str) -> str | None:
    """The newest Lightning that a text asks for; None where it does not say."""
    limits = [newest_admitted(match["spec"]) for match in PIN.finditer(text)]
    return min((limit for limit in limits if limit is not None), key=numbers, default=None)
