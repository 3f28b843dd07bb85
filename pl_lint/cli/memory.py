"""What was found in each part of what is read: where one file has changed, the parts without it
are not judged again.

Kept beside the answer to the same question, under a digest of all that judging a part depends on:
its code and settings, byte for byte, what pins Lightning around it, what was asked for, and the
program. A part whose digest is known has nothing new in it; there is nothing that could be stale.

As with answers, nothing here may fail, and nothing is unpickled.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pl_lint.cli.answers import put
from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding, Location, Status
from pl_lint.fixes import Applicability, Edit, Fix
from pl_lint.plain import replace, values
from pl_lint.static.parts import Part
from pl_lint.static.reading import JudgedAs, Reading
from pl_lint.static.schedule import Schedule
from pl_lint.static.sources import BrokenCell, Unfinished, Unreadable
from pl_lint.static.versions import package_folders
from pl_lint.trail import Trail

Known = Mapping[str, list[Any]]


class Memory:
    """A schedule that asks another one for what it does not know."""

    def __init__(self, file: str, each: Schedule, trail: Trail) -> None:
        self._file = file
        self._each = each
        self._trail = trail

    def __call__(self, judge: Callable[[Part], Reading], parts: Sequence[Part]) -> list[Reading]:
        from pl_lint.static.judgement import Judge  # who has parts has imported it

        if len(parts) < 2 or not isinstance(judge, Judge):  # what is asked for again has changed
            return self._each(judge, parts)
        program = tuple(_program(self._trail))
        digests = [_digest((program, *judge.question(part))) for part in parts]
        known = self._known()
        new = [index for index, digest in enumerate(digests) if digest not in known]
        judged = self._each(judge, [parts[index] for index in new]) if new else []
        made = dict(zip(new, judged, strict=True))
        readings = [made.get(i) or _reading(known[digest]) for i, digest in enumerate(digests)]
        if new:
            self._keep({d: _data(one) for d, one in zip(digests, readings, strict=True)})
        return readings

    def _known(self) -> Known:
        try:
            with open(self._file, "rb") as file:
                head, _, body = file.read().partition(b"\0")
            known = json.loads(body) if head == b"%08x" % zlib.crc32(body) else {}
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _keep(self, known: Known) -> None:
        body = json.dumps(known).encode("ascii")
        put(self._file, b"%08x\0" % zlib.crc32(body) + body)


def _digest(question: Sequence[object]) -> str:
    from hashlib import sha256  # a library of its own, which takes milliseconds to load

    return sha256(repr(question).encode("utf-8", "surrogatepass")).hexdigest()


def _program(trail: Trail) -> Iterator[object]:
    """Every file of the program, and the folders of the libraries that it uses. What it imports
    only to judge is not seen otherwise."""
    yield sys.version
    yield from ((folder, trail.saw(folder)) for folder in package_folders())
    for folder, _, names in os.walk(os.path.dirname(os.path.dirname(__file__))):
        for name in names:
            if name.endswith((".py", ".json")):
                path = os.path.join(folder, name)
                yield path, trail.saw(path)


# --- as JSON --------------------------------------------------------------------------------------


KINDS = {kind.__name__: kind for kind in (Unreadable, Unfinished, BrokenCell)}


def _data(reading: Reading) -> list[Any]:
    """All that is told of a part: sites are for rules, and changes for those who mend."""
    unreadable = [
        [values(one.location), one.message, type(one).__name__] for one in reading.unreadable
    ]
    findings = list(map(_of_finding, reading.findings))
    return [reading.relevant, list(map(values, reading.judged)), unreadable, findings]


def _of_finding(one: Finding) -> list[Any]:
    fix = one.fix and [one.fix.title, one.fix.applicability, list(map(values, one.fix.edits))]
    words = [one.code, one.message, one.status, one.remedy, one.subject, one.condition]
    return [words, values(one.location), fix]


def _reading(data: list[Any]) -> Reading:
    relevant, judged, unreadable, findings = data
    return Reading(
        ProjectFacts(),
        tuple(map(_finding, findings)),
        tuple(map(_unreadable, unreadable)),
        relevant=relevant,
        judged=tuple(JudgedAs(*one) for one in judged),
    )


def _unreadable(data: list[Any]) -> Unreadable:
    place, message, kind = data
    return KINDS[kind](Location(*place), message)


def _finding(data: list[Any]) -> Finding:
    (code, message, status, *words), place, fix = data
    remedy, subject, condition = words
    found = Finding(code, message, Location(*place), Status(status), remedy, subject, condition)
    return replace(found, fix=_fix(*fix)) if fix else found


def _fix(title: str, applicability: str, edits: list[Any]) -> Fix:
    made = tuple(Edit(tuple(start), tuple(end), *rest) for start, end, *rest in edits)
    return Fix(title, (), Applicability(applicability), made)
