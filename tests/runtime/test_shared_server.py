"""Several workers of a session have one server together, which ends with the last of them.

Real processes throughout; what they do is in isolation_programs.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from isolated import alive, client, linux, soon, specification

from pl_lint.runtime.isolation import reaper
from pl_lint.runtime.isolation.runs import Runner, RunnerError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def meeting(folder: Path, name: str, **more: Any) -> Runner:
    """One of several that may have a server together."""
    (folder / name).mkdir()
    arguments = {"preload": (), "namespaces": (), "servers": folder, **more}
    return Runner(folder / name, folder, **arguments)


def record(runner: Runner, name: str) -> dict[str, Any]:
    outcome = runner.run(specification("tell_server", name))
    assert outcome.status == "finished", outcome.message
    return dict(outcome.records[0])


@linux
def test_workers_have_one_server_that_ends_with_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    first, second = meeting(tmp_path, "first"), meeting(tmp_path, "second")
    one = record(first, "one")
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")
    other = record(second, "other")
    assert one["server"] == other["server"]
    assert (one["worker"], other["worker"]) == ("gw0", "gw1")
    with meeting(tmp_path, "idle") as idle:  # never waits for it
        idle.start()
    below = reaper.descendants(one["server"])
    first.close()
    left = reaper.descendants(one["server"])
    assert left < below
    assert record(second, "again")["server"] == one["server"]
    second.close()
    assert soon(lambda: not any(map(alive, {one["server"], *below})))


@linux
def test_a_server_is_nobody_elses_that_would_load_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with meeting(tmp_path, "first") as first:
        one = record(first, "one")["server"]
        with meeting(tmp_path, "modules", preload=("colorsys",)) as other:
            assert record(other, "modules")["server"] != one
        with monkeypatch.context() as patch, meeting(tmp_path, "variable") as other:
            patch.setenv("OF_ONE", "1")
            assert record(other, "variable")["server"] != one
        with monkeypatch.context() as patch, meeting(tmp_path, "path") as other:
            patch.syspath_prepend(tmp_path / "elsewhere")
            assert record(other, "path")["server"] != one
        assert record(first, "still")["server"] == one


@linux
def test_a_server_outlives_the_worker_that_started_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    spec = specification("tell", "killed", log=str(log), sleep=600, timeout=600.0)
    workers = [client(tmp_path, spec), client(tmp_path, {**spec, "test": "other"})]
    try:
        assert soon(lambda: log.exists() and len(log.read_text().splitlines()) == 2, 30)
        [starter] = [worker for worker in workers if reaper.descendants(worker.pid)]
        its_own = reaper.descendants(starter.pid)
        starter.kill()
        starter.wait()
        assert soon(lambda: sum(map(alive, its_own)) == 3, 30)
        [server] = [pid for pid in its_own if len(reaper.descendants(pid)) == 2]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert soon(lambda: not alive(server), 30)


@linux
def test_who_starts_a_server_for_others_does_not_end_it(tmp_path: Path) -> None:
    with meeting(tmp_path, "first") as first, meeting(tmp_path, "second") as second:
        first.start()
        server = record(second, "one")["server"]
        first.close()
        assert record(second, "again")["server"] == server


@linux
def test_a_server_that_is_ended_while_it_loads_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow_to_load.py"
    slow.write_text("import time\ntime.sleep(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    first, second = (
        meeting(tmp_path, name, preload=("slow_to_load",)) for name in ("first", "second")
    )
    with first, second:
        first.start()
        second.start()
        first.close()
        assert record(second, "alone")["server"]


@linux
def test_a_killed_server_is_replaced(tmp_path: Path) -> None:
    with Runner(tmp_path, tmp_path, preload=(), namespaces=()) as runner:
        assert runner.run(specification("call_nothing", "first")).status == "raised"
        for server in runner._servers._alive.values():
            os.kill(server._process.pid, 9)
        assert soon(lambda: not any(server.alive for server in runner._servers._alive.values()))
        spec = specification("tell", "second", log=str(tmp_path / "log"))
        assert runner.run(spec).status == "finished"


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    runner = Runner(tmp_path, tmp_path, preload=("no_such_module",), namespaces=())
    with runner:
        for _ in range(2):
            with pytest.raises(RunnerError, match="No module named 'no_such_module'"):
                runner.run(specification("tell", "never"))
