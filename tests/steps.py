#!/usr/bin/python3
"""Runs each kind of test on what tests/run has built, and adds them up: the last line is "N passed, N failed".

A step that was skipped, crashed or ran nothing that it should have run counts as failed: nothing is left out silently."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "tests"
SANITIZE, FUZZ = ROOT / "build" / "sanitize", ROOT / "build" / "fuzz"
FUZZ_S = int(os.environ.get("LEDIG_FUZZ_S") or 10)

ENVIRONMENT = dict(
    os.environ,
    ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
    LC_ALL="C.UTF-8",
)


def tail(path, lines=40):
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def unit(only):
    """cmocka's own count of cases; a program that dies before it says one counts as a failed case."""
    log, report = OUT / "unit.log", OUT / "unit.xml"
    report.unlink(missing_ok=True)
    command = ["ctest", "--test-dir", SANITIZE, "--verbose", "--output-junit", report, "--timeout", "120", "--no-tests=ignore",
               "--test-output-size-passed", "1000000", "--test-output-size-failed", "1000000"]
    with open(log, "wb") as out:
        subprocess.run(command + (["-R", only] if only else []), stdout=out, stderr=out, env=ENVIRONMENT)
    passed = failed = 0
    if not report.exists():
        print(tail(log))
        return 0, 1
    for case in xml.parse(report).getroot().iter("testcase"):
        text = case.findtext("system-out") or ""
        good = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", text)))
        bad = sum(map(int, re.findall(r"\[  FAILED  \] (\d+) test", text)))
        if case.get("status") != "run":
            bad = max(bad, 1)
            lines = text.splitlines()
            said = [line for line in lines[:-60] if re.match(r"LEDIG_SEED|\[  (ERROR|FAILED|  LINE)", line)]
            print(f"--- {case.get('name')}\n" + "\n".join(said + lines[-60:]))
        elif not good:  # not a cmocka program: the program is the case
            good = 1
        passed, failed = passed + good, failed + bad
    return passed, failed + (1 if passed + failed == 0 and not only else 0)


def integration(only):
    report = OUT / "integration.xml"
    report.unlink(missing_ok=True)
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "-rs", "--durations=8",
               f"--junitxml={report}", ROOT / "tests" / "integration"]
    subprocess.run(command + (["-k", only] if only else []), env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"), cwd=ROOT)
    if not report.exists():
        return 0, 1
    suite = next(xml.parse(report).getroot().iter("testsuite"))
    count = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"] + count["skipped"]
    passed = count["tests"] - failed
    if count["skipped"]:
        print(f"{count['skipped']} skipped: they count as failed")
    return max(passed, 0), failed + (1 if count["tests"] == 0 and not only else 0)


def fuzz(only):
    """Each target for a short time from its kept corpus, in a copy, so that the tree stays as it was."""
    targets = sorted(p for p in FUZZ.iterdir() if p.is_file() and os.access(p, os.X_OK) and "fuzz" in p.name)
    passed = failed = 0
    for target in targets:
        if only and only not in target.name:
            continue
        with tempfile.TemporaryDirectory(prefix="ledig-fuzz-") as folder:
            corpus = pathlib.Path(folder) / "corpus"
            kept = ROOT / "tests" / "fuzz" / "corpus" / target.name.removesuffix("_fuzz")
            if kept.is_dir():
                shutil.copytree(kept, corpus)
            else:
                corpus.mkdir()
            dictionary = next((p for p in (ROOT / "tests/fuzz" / f"{target.name}.dict", FUZZ / f"{target.name}.dict",
                                           FUZZ / "tests/fuzz/dictionary") if p.exists()), None)
            log = OUT / f"{target.name}.log"
            command = [target, corpus, f"-max_total_time={FUZZ_S}", "-timeout=10", "-rss_limit_mb=1024",
                       "-print_final_stats=1", f"-artifact_prefix={OUT}/{target.name}-"]
            with open(log, "wb") as out:
                done = subprocess.run(command + ([f"-dict={dictionary}"] if dictionary else []), stdout=out, stderr=out,
                                      env=ENVIRONMENT, cwd=folder)
        runs = re.search(r"number_of_executed_units: (\d+)", log.read_text(errors="replace"))
        if done.returncode == 0 and runs and int(runs.group(1)) > 0:
            passed += 1
            print(f"{target.name}: {runs.group(1)} inputs")
        else:
            failed += 1
            print(f"--- {target.name}\n{tail(log)}")
    if not targets and not only:
        print("no fuzz target was built")
        failed += 1
    return passed, failed


def style(only):
    if only and only not in "style":
        return 0, 0
    done = subprocess.run([ROOT / "tests" / "style"], stdout=subprocess.PIPE, text=True)
    *lines, last = done.stdout.splitlines() or [""]
    for line in lines:
        print(line)
    found = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 1)


def main():
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__)
    parser.add_argument("-k", dest="only", default="", help="only the tests that this matches")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    for step in (style, unit, fuzz, integration):
        begin = time.monotonic()
        print(f"running: {step.__name__}", flush=True)
        good, bad = step(arguments.only)
        print(f"{step.__name__}: {good} good, {bad} bad, {time.monotonic() - begin:.0f} s", flush=True)
        passed, failed = passed + good, failed + bad
    if passed + failed == 0:
        failed = 1
        print("nothing matched")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
