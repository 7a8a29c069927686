"""Rules of the house that no other tool holds: run by ./dev lint. Exit status 1 and a line for each breach."""

import re
import subprocess
import sys
from pathlib import Path

LINES_MAX = 520
TEST_LINES_MAX = 1000  # tables
COLUMNS_MAX = 120

RULES = [  # (which files, what must not be in a line, why)
    (r"\.(cc|h|py|sh)$|^dev$", r"\b(TODO|FIXME|XXX)\b", "work left for nobody: do it, or write an issue"),
    (r"^tests/.*\.(cc|h)$", r"\bsleep_for\b|\busleep\(|\bsleep\(", "wait for a condition with a deadline"),
    (r"^tests/.*_test\.cc$", r"GTEST_SKIP|EXPECT_TRUE\(true\)|DISABLED_", "a test that cannot fail is a defect"),
    (r"^tests/e2e/test_.*\.py$", r"time\.sleep|pytest\.(skip|mark\.skip)", "wait with harness.wait.until; skip nothing"),
    (r"^(mta|queue|dns|conf)/.*\.h$", r"^#include <(iostream)>", "costs a static initialiser in each file"),
    (r"^(mta|queue|dns|conf)/.*\.(cc|h)$", r"\bsystem_clock::now|steady_clock::now|\btime\(nullptr\)",
     "time is an argument; only mta/io/clock and the commands ask the system"),
    (r"^(mta|queue|dns|conf)/.*\.(cc|h)$", r"\bassert\(", "MTA_ASSERT stays on in the release"),
]  # fmt: skip
CLOCKS = re.compile(r"^(mta/(io/.*clock.*|cli/operate)|queue/segment_log/log_service)\.cc$")
OWN_NAME = "tests/tools/house_rules.py"


def breaches_of(path, text):
    lines = text.splitlines()
    if path.endswith((".cc", ".h")):
        lines_max = TEST_LINES_MAX if path.startswith("tests/") else LINES_MAX
        if len(lines) > lines_max:
            yield f"{path}: {len(lines)} lines; is it still one thing? (at most {lines_max})"
        if path.endswith(".h") and "#pragma once" not in text:
            yield f"{path}: no #pragma once"
    for pattern, forbidden, reason in RULES:
        if not re.search(pattern, path) or (CLOCKS.match(path) and "clock" in forbidden):
            continue
        for number, line in enumerate(lines, 1):
            if re.search(forbidden, line):
                yield f"{path}:{number}: {line.strip()[:80]}: {reason}"
    if path.endswith((".py", ".sh")):
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX:
                yield f"{path}:{number}: {len(line)} columns (at most {COLUMNS_MAX})"
    if text and not text.endswith("\n"):
        yield f"{path}: no line end at the end"


def unnamed_in_architecture(names):
    told = set(re.findall(r"[a-z_0-9]+", Path("ARCHITECTURE.md").read_text(encoding="utf-8")))
    for name in names:
        if re.search(r"^(mta|queue|dns|conf)/.*\.(cc|h)$", name) and Path(name).is_file() and Path(name).stem not in told:
            yield f"{name}: ARCHITECTURE.md does not say where a message meets it"


def main():
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    found = 0
    for breach in unnamed_in_architecture(names):
        print(breach)
        found += 1
    for name in filter(None, names):
        path = Path(name)
        if name == OWN_NAME or not path.is_file() or name.startswith("tests/fuzz/corpus/"):
            continue
        if not name.endswith((".cc", ".h", ".py", ".sh")) and name != "dev":
            continue
        for breach in breaches_of(name, path.read_text(encoding="utf-8")):
            print(breach)
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
