"""Values with what an earlier epoch has left in them: state that is to be cleared, and lost by a
checkpoint to nobody's harm."""

from __future__ import annotations

from collections.abc import Iterable

from pl_lint.checks.checkpoint.carried import never_cleared
from pl_lint.checks.logged_values.fitted import judge_replay, judge_sanity_check, most_telling
from pl_lint.checks.logged_values.rebatching import judge_rebatching, left_over
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.facts.events import CaseFacts

_OF_REPLAYS = ("LTN201", "LTN203", "LTN204")


def left_over_keys(runs: Runs, case: CaseFacts, lost: Iterable[str]) -> frozenset[str]:
    """What ``logged-values`` proves of: it fails for these keys, and this is the cause or one of
    several. That the sanity check is in a value says so only where what was ``lost`` is gathered
    for ever: in a best-so-far value it is a mistake, and the best of earlier epochs is none."""
    fit, seen, keeping = runs.fit(), Gathering(), set[str]()
    for replay in most_telling(fit, case):
        judge_replay(replay, fit.events, case, seen)
    keeping |= {finding.key for finding in seen.findings if finding.code in _OF_REPLAYS}
    for stage in ("validate", "test"):
        if stage in case.stages:
            record = runs.rebatched(stage)
            seen.add(judge_rebatching(record, case))
            keeping |= left_over(record, case)
    gathered = {*lost} and {*lost} <= never_cleared(fit).keys()
    if gathered and {"train", "validate"} <= set(case.stages):
        of_sanity_check = Gathering()
        judge_sanity_check(runs, case, of_sanity_check)
        keeping |= of_sanity_check.keys
        seen.add(of_sanity_check)
    return frozenset(keeping & seen.keys)
