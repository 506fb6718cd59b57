"""Runs the tests of corder_langgraph on one stack, and ends with "langgraph: N passed, N failed".

`python -m tests_langgraph.run [module…]`, in clients/python. With CORDER_TEST_STACK naming the folder of a stack that
runs already, that one is used, and nothing of it is killed.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
import time
import unittest
from pathlib import Path

from .support import Stack

TEST_SECONDS = 1200

_stack: Stack | None = None


def stack() -> Stack:
    """The stack that this run has started."""
    from tests_langgraph import run

    if run._stack is None:
        raise unittest.SkipTest("no stack of our own that could be killed")
    return run._stack


class Result(unittest.TextTestResult):
    def startTest(self, test: unittest.TestCase) -> None:
        self.began = time.monotonic()
        faulthandler.dump_traceback_later(TEST_SECONDS, exit=True)
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)
        if time.monotonic() - self.began > 2:
            self.stream.writeln(f"  took {time.monotonic() - self.began:.1f} s: {test.id()}")


def run_all(names: list[str]) -> unittest.TestResult:
    loader = unittest.TestLoader()
    if names:
        suite = loader.loadTestsFromNames([f"tests_langgraph.{name}" for name in names])
    else:
        suite = loader.discover(str(Path(__file__).parent), top_level_dir=str(Path(__file__).parent.parent))
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Result)  # type: ignore[arg-type]
    return runner.run(suite)


def main() -> int:
    from tests_langgraph import run

    given = os.environ.get("CORDER_TEST_STACK")
    with tempfile.TemporaryDirectory(prefix="corder-langgraph-") as folder:
        if given:
            os.environ.update(Stack(Path(given).parent).environment)
            result = run_all(sys.argv[1:])
        else:
            run._stack = Stack(Path(folder)).start()
            os.environ.update(run._stack.environment)
            try:
                result = run_all(sys.argv[1:])
            finally:
                run._stack.stop()
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    print(f"langgraph: {result.testsRun - failed - len(result.skipped)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
