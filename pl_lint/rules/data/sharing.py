"""Loaders that serve several stages."""

from __future__ import annotations

from pl_lint.facts.sites import LoaderSite, ProjectFacts
from pl_lint.facts.stages import Stage


def feeds(facts: ProjectFacts, loader: LoaderSite, stage: Stage) -> bool:
    """Whether the data of a loader serve another stage as well: a toy, or a look at how well the
    model fits. The same name in one function or class, or the one loader of a script."""
    return any(one.stage == stage and _same(one, loader) for one in facts.loaders)


def _same(one: LoaderSite, other: LoaderSite) -> bool:
    by_name = bool(one.source) and one.source == other.source
    in_script = not one.by.endswith("_dataloader") and one.location == other.location
    return one.location.path == other.location.path and (by_name or in_script)
