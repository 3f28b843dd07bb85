"""Does every stage run at all?"""

from __future__ import annotations

from pl_lint.checks.fast_dev_run.script import one_batch
from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.facts.events import CaseFacts, RunError
from pl_lint.findings import Finding


@check("fast-dev-run", place=10)
def fast_dev_run(runs: Runs) -> Result:
    """Every stage that the module has runs through one batch without an error.

    What it promises:
    `fit`, `validate`, `test` and `predict`, as far as the module has a step for them and the data a
    loader, each run with `Trainer(fast_dev_run=1)` on a fresh module and fresh data. A stage that
    only works after another one has run fails here.

    What it cannot show:
    One batch with a dummy logger and without checkpoints proves that code runs, and cannot show one
    wrong number. The other checks do.
    """
    record, gathering = runs.smoke(), Gathering()
    for method in record.ran:
        if method in record.errors:
            gathering.findings.append(_finding(method, record.errors[method], runs.case()))
        else:
            gathering.passed += 1
    return gathering.result("the module has no stage that can be run: no step with data for it")


def _finding(method: str, error: RunError, case: CaseFacts) -> Finding:
    text = f"trainer.{method}() raised {error.kind}: {error.message}"
    remedy = f"run Trainer(fast_dev_run=True).{method}(...) on a fresh module to see it"
    script = one_batch(case.building, text, method)
    return found(case, "fast-dev-run", text, remedy, error.location, script=script)
