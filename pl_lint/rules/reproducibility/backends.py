"""Settings of torch that runs are to be the same by."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import backends
from pl_lint.facts.sites import BackendSite, ProjectFacts
from pl_lint.findings import Finding
from pl_lint.fixes import Fix, Replace
from pl_lint.rules.registry import Rule, rule


@rule("LTN415", "setting-that-torch-has-not", rows=("REP07",), fixable=True)
def setting_that_torch_has_not(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A setting of cuDNN is misspelled, or set in a module that does not have it.

    What it does
    ------------
    Finds assignments to a name that no torch has, and that is a slip of a setting of
    `torch.backends.cudnn` (`determinstic`, `benchmarks`), or stands one module beside it
    (`torch.backends.deterministic`, `torch.cuda.benchmark`, `torch.backends.cuda.allow_tf32`). It
    is silent where the file sets the right one as well, where it looks for the name (`hasattr`) or
    gives that of the module to something else, and where the project reads the attribute itself.

    Why is this bad
    ---------------
    Python makes a new attribute, torch never looks at it, and nothing says so: the runs that were
    to be the same are not, or those that were to be fast stay slow.

    Example
    -------
        torch.backends.cudnn.determinstic = True

    Use instead
    -----------
        torch.backends.cudnn.deterministic = True

    When to ignore
    --------------
    Never: nothing reads it. The line can go where a Trainer has `deterministic=True`.

    References
    ----------
    - https://docs.pytorch.org/docs/stable/backends.html#torch-backends-cudnn
    - https://docs.pytorch.org/docs/stable/notes/randomness.html
    """
    told = {(one.location.path, one.name) for one in facts.backends}
    for site in facts.backends:
        meant = backends.meant(site.name)
        if meant is not None and (site.location.path, meant) not in told:
            owner, _, name = site.name.rpartition(".")
            yield self.finding(
                site.location,
                f"{owner} has no setting {name!r}: nothing changes, and nothing says so",
                remedy=f"set {meant}",
                fix=_respelled(site, meant),
            )


def _respelled(site: BackendSite, meant: str) -> Fix | None:
    """The right name, by the module as the code calls it; of another module, where the code writes
    its whole name."""
    owner, _, name = meant.rpartition(".")
    same = site.name.rpartition(".")[0] == owner
    text = f"{site.written.rpartition('.')[0]}.{name}" if same else meant
    known = same or site.written == site.name
    return Fix(f"set {meant}", (Replace(site.location, text),)) if known else None
