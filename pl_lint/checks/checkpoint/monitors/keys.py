"""Keys that are watched: is there anything that logs them?"""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering
from pl_lint.facts.events import CaseFacts, sentence
from pl_lint.facts.records import FitRecord
from pl_lint.facts.spelling import nearest_key
from pl_lint.facts.watchers import CHECKPOINT, Watcher
from pl_lint.findings import Finding, Location


def judge_key(watcher: Watcher, fit: FitRecord, case: CaseFacts, into: Gathering) -> None:
    into.passed += watcher.key is not None and not watcher.missing
    later = _logged_later(watcher, fit)
    if later is None:
        into.findings += _never_logged(watcher, case)
        return
    text = (
        f"{watcher.name} watches {watcher.key!r}, which is logged at line {later.line}: two short "
        "epochs did not come to it"
    )
    into.undecided.append(sentence(text))


def _logged_later(watcher: Watcher, fit: FitRecord) -> Location | None:
    """A call that could log a missing key and was not made: after the fifth epoch, say."""
    ran = [event.location for event in fit.events]
    for site in watcher.sites:
        if not any(site.covers(place.line) and place.path == site.path for place in ran):
            return site
    return None


def _never_logged(watcher: Watcher, case: CaseFacts) -> Iterator[Finding]:
    if watcher.key is None or not watcher.missing:
        return
    near = nearest_key(watcher.key, watcher.available)
    text = (
        f"{watcher.name} watches {watcher.key!r}, which is never logged in two short epochs; "
        f"{_what_follows(watcher)}"
    )
    text += f"; did you mean {near!r}?" if near else ""
    remedy = f"watch {near!r}" if near else f"log {watcher.key!r} with self.log"
    yield found(case, "LTN302", text, remedy, watcher.location)


def _what_follows(watcher: Watcher) -> str:
    if watcher.raises:
        return "Lightning ends the fit for it after the first epoch"
    if watcher.kind == CHECKPOINT:
        return "and nothing says so: no checkpoint is saved"
    return "and nothing says so"
