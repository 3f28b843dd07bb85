"""Can a run be traced to where it comes from, by what its loggers hold?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

SHORTEST = 7
"""Characters of a commit's name that git shows."""


def unrecorded(
    wanted: Sequence[str], given: Mapping[str, str], origins: Mapping[str, str]
) -> Iterator[str]:
    """What of ``wanted`` is not among the hyper-parameters, in words. Versions and revisions are
    known by their values, whatever their names; a seed may be any number."""
    if "seed" in wanted and not any("seed" in name.lower() for name in given):
        yield "no hyper-parameter that was logged is named like a seed"
    for package, version in origins.items():
        if package == "revision":
            continue
        if not any(version.partition("+")[0] in value for value in given.values()):
            yield f"no hyper-parameter that was logged has {package}'s version, {version}"
    revision = origins.get("revision", "")
    if revision and not any(_names(value, revision) for value in given.values()):
        yield f"no hyper-parameter that was logged has the code's revision, {revision[:SHORTEST]}"


def _names(value: str, revision: str) -> bool:
    """In full, in short, or with something behind it (``-dirty``)."""
    head = value.partition("-")[0]
    return revision in value or (len(head) >= SHORTEST and revision.startswith(head))
