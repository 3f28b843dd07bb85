"""Telling a misspelled hook from a name of the user's own.

Edit distance alone is noise: ``best_step`` is one letter from ``test_step`` and yet nobody's
mistake. So names are compared word by word, and a word may differ only as a slip of the keyboard
would make it differ: in long words up to two edits, in short ones a plural or two letters swapped.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from pl_lint.facts.words import words_of

# In names that begin with on_, which people write for Lightning alone, these mean the same.
_SYNONYMS = {
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "eval": "validation",
    "training": "train",
    "testing": "test",
    "prediction": "predict",
    "epochs": "epoch",
    "begin": "start",
    "ends": "end",
}
_LONG = 6
"""Words of at least this length may have edits; a shorter one soon becomes another word."""
_MOST_EDITS = 2


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The only candidate that ``name`` can be a slip of; None where there is none or a choice."""
    if name.startswith("_"):
        return None
    ranked = [(slips(name, one), one) for one in candidates]
    close = sorted((count, one) for count, one in ranked if count is not None)
    if not close or (len(close) > 1 and close[0][0] == close[1][0]):
        return None
    return close[0][1]


OF_STAGES = frozenset("train training val valid validation eval test epoch step avg mean".split())
"""Words of a key that do not say what is measured."""


def nearest_key(key: str, logged: Sequence[str]) -> str | None:
    """The logged key that was probably meant: one that differs in signs alone, one that shortens it
    (``val_acc`` of ``val_accuracy``) or is shortened by it, or else one that is spelled alike and
    may measure the same."""
    wanted = _letters(key)
    same = [name for name in logged if _letters(name) == wanted]
    short = [name for name in logged if _is_short_for(_letters(name), wanted)]
    alike = difflib.get_close_matches(key, logged, n=len(logged) or 1, cutoff=0.7)
    kin = [name for name in alike if _may_measure_the_same(key, name)]
    return next(iter([*same, *sorted(short, key=len, reverse=True), *kin]), None)


def _letters(key: str) -> str:
    return re.sub(r"\W|_", "", key).lower()


def _is_short_for(one: str, other: str) -> bool:
    """Whether one is the beginning of the other, and most of it."""
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and len(short) > len(long) / 2


def _may_measure_the_same(one: str, other: str) -> bool:
    """Whether two keys have a word in common that says what is measured, or nearly: no coefficient
    is meant where a loss is asked for."""
    mine, theirs = set(words_of(one)) - OF_STAGES, set(words_of(other)) - OF_STAGES
    return not (mine and theirs) or any(
        word[:2] == meant[:2] or (len(meant) > 3 and edit_distance(word, meant) == 1)
        for word in mine
        for meant in theirs
    )


def slips(name: str, intended: str) -> int | None:
    """How many slips turn ``intended`` into ``name``; None where it takes more than slips."""
    words, meant = name.lower().split("_"), intended.split("_")
    if words[0] == meant[0] == "on" and sorted(map(_standard, words)) == sorted(meant):
        return 1
    if "".join(words) == "".join(meant) or _left_out_on(words, meant):
        return 1
    if len(words) != len(meant):
        return None
    counts = [_word_slips(word, other) for word, other in zip(words, meant, strict=True)]
    known = [count for count in counts if count is not None]
    total = sum(known)
    return total if len(known) == len(counts) and total <= _MOST_EDITS else None


def _left_out_on(words: list[str], meant: list[str]) -> bool:
    """``training_epoch_start`` for ``on_train_epoch_start``: of three words, which say when."""
    moment = len(words) == 3 and words[1] in ("epoch", "batch") and meant[0] == "on"
    return moment and [_standard(word) for word in words] == meant[1:]


def _standard(word: str) -> str:
    return _SYNONYMS.get(word, word)


def _word_slips(word: str, meant: str) -> int | None:
    if word == meant:
        return 0
    if word in (meant + "s", meant + "es") or word + "s" == meant:
        return 1
    if sorted(word) == sorted(meant) and edit_distance(word, meant) == 1:
        return 1
    count = edit_distance(word, meant)
    return count if min(len(word), len(meant)) >= _LONG and count <= _MOST_EDITS else None


def edit_distance(first: str, second: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, left in enumerate(first, 1):
        older, before, row = before, row, [i]
        for j, right in enumerate(second, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == second[j - 2] and first[i - 2] == right:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
