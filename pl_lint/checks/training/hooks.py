"""Methods that look like hooks: does Lightning call them?"""

from __future__ import annotations

from pl_lint.checks.registry import Gathering
from pl_lint.checks.training import script
from pl_lint.checks.training.view import View
from pl_lint.checks.values.evidence import counted
from pl_lint.facts.events import Note
from pl_lint.facts.training import HookLike
from pl_lint.findings import Evidence, Finding, Location


def judge_hooks(view: View, into: Gathering) -> None:
    said = [note.text for note in view.trained.notes if note.about == "hooks"]
    into.undecided += [Note("methods that look like hooks", text) for text in said]
    for each in view.trained.hook_likes:
        place = each.location or view.case.home
        if each.unseen and not each.calls:
            into.untriggered.append(Note(f"{each.owner}.{each.name}", each.unseen))
        elif each.calls:
            into.clear(("LTN702",), place, _called(each), view.case.module)
        else:
            into.findings.append(_never_called(view, each, place))


def _called(each: HookLike) -> Evidence:
    return counted(
        each.name, each.calls, each.calls, how="one batch of every stage, every call counted"
    )


def _never_called(view: View, each: HookLike, place: Location) -> Finding:
    why = "Lightning has removed it" if each.removed else "Lightning has no hook of this name"
    text = f"{each.owner}.{each.name} was never called in a run of every stage: {why}"
    remedy = f"did you mean {each.instead}?" if each.instead else "move its code to a hook"
    return view.found("LTN702", text, place, remedy, script=script.calls(each.name))
