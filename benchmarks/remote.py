"""Competitors in child processes, each with its own interpreter state and its own threads."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import Implementation, Timed, Unavailable
from threads import ONE_THREAD
from workloads import Result


class Worker:
    """A child process that runs one module of `competitors`; a context manager.

    python     the interpreter that has the competitor's library
    versions   of the packages that it uses
    """

    def __init__(self, python: str, module: str) -> None:
        script = Path(__file__).with_name("worker.py")
        self._process = subprocess.Popen(
            [python, str(script), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | ONE_THREAD,
            text=True,
        )
        try:
            first = self._answer()
            if "unavailable" in first:
                raise Unavailable(first["unavailable"])
        except Unavailable:
            self.close()
            raise
        self._offered: Mapping[str, Any] = first["implementations"]
        self.versions: Mapping[str, str] = first["versions"]

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child."""
        self._process.stdin.close()
        self._process.wait()

    def implementations(self, workload: str) -> list[Implementation]:
        """Those that can run this workload."""
        return [
            Implementation(name, partial(self._run, name, workload), offered["paths"], offered["sample"])
            for name, offered in self._offered.items()
            if workload in offered["workloads"]
        ]

    def _run(self, name: str, workload: str, paths: int, seed: int) -> Timed:
        request = {"implementation": name, "workload": workload, "paths": paths, "seed": seed}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        found = self._answer()
        if "failed" in found:
            raise Unavailable(found["failed"])
        result = Result(found["n"], np.array(found["mean"]), np.array(found["cov"]))
        return Timed(result, found["cpu"], found["wall"])

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise Unavailable("its process ended")
        answer: dict[str, Any] = json.loads(line)
        return answer
