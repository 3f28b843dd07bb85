"""Ranks within a script: forked, so that nothing is imported twice, and told their number in the
way that Lightning takes for a launcher's.

The process that forks them has computed nothing with torch before: threads do not survive a fork.
"""

from __future__ import annotations

IMPORTS = ("import os", "import socket")
TORCH = ("import torch",)
AS_RANKS = '''\
def as_ranks(number, function):
    """Calls the function on so many ranks at a time."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    arguments = function, port
    torch.multiprocessing.start_processes(as_rank, arguments, number, start_method="fork")


def as_rank(rank, function, port):
    os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    function()
'''
_GATHERED = """\
    values = [None] * {ranks}
    torch.distributed.all_gather_object(values, {value})
    if trainer.is_global_zero:
        said = ", ".join(f"rank {{rank}} {{value}}" for rank, value in enumerate(values))
        print(f"{line}")
"""


def gathered(ranks: int, value: str, line: str) -> str:
    """Within a function that all ranks call: rank zero says what they have, ``{said}`` in the
    line."""
    return _GATHERED.format(ranks=ranks, value=value, line=line)
