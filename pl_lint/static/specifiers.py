"""What the specifiers of versions admit: ``>=1.5,<1.8``, ``~=2.0``, ``^1.9``, ``1.7.*``."""

from __future__ import annotations

import re

from pl_lint.facts import lightning

Version = tuple[int, ...]
ONE = re.compile(r"(?P<op>[=<>!~^]*)\s*(?<![\w.])(?P<version>\d+(?:\.\d+)*)(?P<star>\.\*)?")
"""One bound; not the 0 of ``2.5.0.post0``."""


def newest_admitted(specifier: str) -> str | None:
    """The newest minor version that a specifier such as ``>=1.5,<1.8`` admits."""
    limits = [limit for one in ONE.finditer(specifier) if (limit := _limit(one)) is not None]
    return min(limits, key=numbers) if limits else None


def _limit(one: re.Match[str]) -> str | None:
    version = numbers(one["version"])
    match one["op"]:
        case "" | "=" | "==" | "===" | "<=":
            return text_of(version) if len(version) > 1 else _below((version[0] + 1,))
        case "<":
            return _below(version)
        case "~=" | "~":
            return _below((version[0] + 1,)) if len(version) < 3 else text_of(version)
        case "^":
            return _below((version[0] + 1,))
    return None


def _below(bound: Version) -> str | None:
    """The newest known minor version below a bound; no limit where all known ones are below."""
    known = [version for version in lightning.versions() if version < _short(bound)]
    if not known or max(known) == lightning.LATEST:
        return None
    return text_of(max(known))


def oldest_admitted(specifier: str) -> Version:
    """The minor version from which on a specifier admits any; empty where it does not say."""
    least = (numbers(one["version"])[:2] for one in ONE.finditer(specifier) if _is_least(one))
    return max(least, default=())


def _is_least(one: re.Match[str]) -> bool:
    return one["op"] not in ("<", "<=", "!=")


def is_below(specifier: str, version: Version) -> bool:
    """Whether all that a specifier admits is below a version."""
    return any(_ends_below(one, version) for one in ONE.finditer(specifier))


def _ends_below(one: re.Match[str], version: Version) -> bool:
    given = numbers(one["version"])
    leading = next((n for n, part in enumerate(given) if part), len(given) - 1)
    if one["op"] == "=" or (one["star"] and one["op"] in ("", "==", "===")):  # any of these
        return _next(given) <= version
    match one["op"]:
        case "" | "==" | "===" | "<=":
            return given < version
        case "<":
            return _short(given) <= version
        case "~=":
            return _next(given[:-1]) <= version
        case "~":
            return _next(given[:2]) <= version
        case "^":  # up to the next change of the first number that is not zero
            return _next(given[: leading + 1]) <= version
    return False


def _short(version: Version) -> Version:
    """2.0.0 is 2.0."""
    while len(version) > 2 and version[-1] == 0:
        version = version[:-1]
    return version


def _next(version: Version) -> Version:
    return (*version[:-1], version[-1] + 1) if version else (1,)


def numbers(text: str) -> Version:
    return tuple(int(part) for part in text.split(".") if part)


def text_of(version: Version) -> str:
    return ".".join(map(str, version[:2]))
