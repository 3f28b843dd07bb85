"""Answers that are worked out ahead are those that would have been given one by one."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from pl_lint.checks.registry import Result, Verdict
from pl_lint.judging import THREADS, Ahead


def answer(number: int) -> Result:
    return Result(Verdict.PASSED, str(number))


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_each_question_has_its_own_answer(lanes: int) -> None:
    questions = [partial(answer, number) for number in range(9)]
    ahead = Ahead(lanes)
    ahead.expect(questions[:6])
    assert [ahead.answer(one).reason for one in questions] == [str(n) for n in range(9)]
    ahead.close()


def test_two_questions_are_worked_on_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=20)

    def meet(name: str) -> Result:
        meeting.wait()  # raises if the other one is not under way
        return Result(Verdict.PASSED, name)

    questions = [partial(meet, "one"), partial(meet, "other")]
    ahead = Ahead(2)
    ahead.expect(questions)
    assert [ahead.answer(one).reason for one in questions] == ["one", "other"]
    ahead.close()


def test_what_goes_wrong_comes_out_where_it_is_asked() -> None:
    def fail() -> Result:
        raise RuntimeError("no server")

    ahead = Ahead(2)
    ahead.expect([fail])
    with pytest.raises(RuntimeError, match="no server"):
        ahead.answer(fail)
    ahead.close()


def test_nothing_is_started_after_the_end() -> None:
    under_way, go_on, begun = threading.Event(), threading.Event(), []

    def wait(number: int) -> Result:
        begun.append(number)
        under_way.set()
        go_on.wait(20)
        return answer(number)

    ahead = Ahead(2)
    ahead.expect([partial(wait, number) for number in range(3 * THREADS)])
    assert under_way.wait(20)
    ahead.close()
    go_on.set()
    answers = list(ahead._answers.values())
    for each in answers:
        assert each.cancelled() or each.result(timeout=20)
    assert len(begun) <= 2 * THREADS
    assert sum(each.cancelled() for each in answers) == 3 * THREADS - len(begun)
