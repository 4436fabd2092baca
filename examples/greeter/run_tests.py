"""Runs the unit tests and writes a JUnit report: run_tests.py REPORT [unittest arguments]."""

import sys
import time
import unittest
from xml.sax.saxutils import quoteattr


class Result(unittest.TextTestResult):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cases = []

    def startTest(self, test):
        self.began = time.perf_counter()
        super().startTest(test)

    def note(self, test, inner=""):
        name, seconds = test.id().rpartition("."), time.perf_counter() - self.began
        self.cases.append(
            f"<testcase classname={quoteattr(name[0])} name={quoteattr(name[2])} time='{seconds:.4f}'>{inner}</testcase>"
        )

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, f"<skipped message={quoteattr(reason)}/>")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, f"<failure message={quoteattr(str(err[1]))}/>")

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, f"<error message={quoteattr(str(err[1]))}/>")


if __name__ == "__main__":
    suite = unittest.defaultTestLoader.discover("tests", top_level_dir=".")
    result = unittest.TextTestRunner(resultclass=Result, verbosity=2).run(suite)
    with open(sys.argv[1], "w", encoding="utf-8") as report:
        report.write("<testsuite>" + "".join(result.cases) + "</testsuite>")
    sys.exit(not result.wasSuccessful())
