"""The oldest torch that each minor version of PyTorch Lightning can be installed beside.

From the wheels' metadata (``Requires-Dist: torch``) of the first and the last release of each minor
version, as ``pip download --no-deps pytorch-lightning==X`` brings them; the lower one counts, since
a project may have any of them (1.5.0 took torch 1.6, 1.5.10 no more). ``lightning`` needs the same.
The first release of torch 2 came after 1.13; torchvision 0.N needs one torch exactly: 1.(N-1) up to
1.13, and 2.0 from 0.15 on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Version = tuple[int, ...]

TORCH: Mapping[Version, Version] = {
    (0, 7): (1, 1),
    (0, 8): (1, 3),
    (0, 9): (1, 3),
    (0, 10): (1, 3),
    (1, 0): (1, 3),
    (1, 1): (1, 3),
    (1, 2): (1, 4),
    (1, 3): (1, 4),
    (1, 4): (1, 6),
    (1, 5): (1, 6),
    (1, 6): (1, 8),
    (1, 7): (1, 9),
    (1, 8): (1, 9),
    (1, 9): (1, 10),
    (2, 0): (1, 11),
    (2, 1): (1, 12),
    (2, 2): (1, 13),
    (2, 3): (2, 0),
    (2, 4): (2, 1),
    (2, 5): (2, 1),
    (2, 6): (2, 1),
}
LAST_OF_TORCH_1 = 13


def newest_beside(ends_below: Callable[[Version], bool], *, vision: bool = False) -> Version | None:
    """The newest Lightning beside a torch that is kept below some versions, or a torchvision where
    ``vision`` says so; None where there is no such Lightning."""
    needed = {one: _vision(torch) if vision else torch for one, torch in TORCH.items()}
    return max((one for one, torch in needed.items() if not ends_below(torch)), default=None)


def _vision(torch: Version) -> Version:
    major, minor = torch
    return 0, minor + 1 if major == 1 else minor + LAST_OF_TORCH_1 + 2
