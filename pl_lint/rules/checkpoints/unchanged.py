"""Weights that are read from a file, sorted out, and then not loaded."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule


@rule("LTN333", "weights-loaded-into-themselves", rows=())
def loaded_into_themselves(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A network is given back the weights that it has just given, unchanged.

    What it does
    ------------
    Finds `network.load_state_dict(weights)` where `weights = network.state_dict()` stands in the
    same function, other weights are held against that dict (`name in weights`,
    `weights[name].shape`), and nothing else is done with it. Silent where a tensor of it is handed
    on, where the network is used meanwhile, and in projects with a `load_state_dict` of their own.

    Why is this bad
    ---------------
    It loads nothing. The weights of a checkpoint were compared with those of the network, and the
    line is missing that puts them into the dict: the training that follows begins at
    random, and nothing says so.

    Example
    -------
        def start_from(model, path):
            pretrained = torch.load(path)["state_dict"]
            weights = model.state_dict()
            pretrained = {name: one for name, one in pretrained.items() if name in weights}
            model.load_state_dict(weights)

    Use instead
    -----------
        def start_from(model, path):
            pretrained = torch.load(path)["state_dict"]
            weights = model.state_dict()
            pretrained = {name: one for name, one in pretrained.items() if name in weights}
            weights.update(pretrained)
            model.load_state_dict(weights)

    When to ignore
    --------------
    Where `load_state_dict` is called for what its hooks do.

    References
    ----------
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.state_dict
    """
    for site in facts.unchanged:
        if not facts.in_tests(site.location):
            yield self.finding(
                site.location,
                f"`{site.name}` holds the weights of `{site.network}` and nothing else: this loads "
                "what it has already",
                remedy=f"{site.name}.update(...) with the weights that are meant",
            )
