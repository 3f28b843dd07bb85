"""``pl-lint explain`` and ``pl-lint rules``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from pl_lint.cli.exits import refuse

SHOWN = 12
"""Names that an incomplete one is answered with."""


def explain(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="pl-lint explain",
        description="What a rule or a check finds, why it matters, what to write.",
    )
    parser.add_argument("what", metavar="CODE", help="such as LTN101, or a rule's or check's name")
    wanted = parser.parse_args(arguments).what

    from pl_lint.docs import pages_by_name

    named = pages_by_name()
    pages = {name.casefold(): texts for name, texts in named.items()}
    if wanted.casefold() not in pages:
        return refuse(_unknown(wanted, named))
    print("\n".join(pages[wanted.casefold()]), end="")
    return 0


def _unknown(word: str, names: Iterable[str]) -> str:
    from pl_lint.config import LISTED, nearest

    spelled = {name.casefold(): name for name in sorted(names)}
    begun = [name for folded, name in spelled.items() if folded.startswith(word.casefold())]
    near = nearest(word.casefold(), spelled)
    meant = begun or ([spelled[near]] if near else [])
    more = ", ..." * (len(meant) > SHOWN)
    hint = f"did you mean {', '.join(meant[:SHOWN])}{more}?"
    return f"no rule and no check is called {word!r}; {hint if meant else LISTED}"


def rules(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="pl-lint rules", description="Lists the rules, and whether each is on by default."
    )
    parser.add_argument(
        "codes", metavar="CODE", nargs="*", help="such as LTN1: those that begin so"
    )
    begins = tuple(code.upper() for code in parser.parse_args(arguments).codes)

    from pl_lint.rules.registry import all_rules

    every = tuple(rule for rule in all_rules() if rule.code.startswith(begins or ""))
    for one in begins:
        if not any(rule.code.startswith(one) for rule in every):
            return refuse(f"no rule has a code that begins with {one}")
    longest = max((len(rule.name) for rule in every), default=0)
    for rule in every:
        state = "on " if rule.default else "off"
        print(
            f"{rule.code}  {state}  {rule.status.value:<9}  {rule.name:<{longest}}  {rule.summary}"
            f"{' (preview)' * rule.preview}"
        )
    return 0
