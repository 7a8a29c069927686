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
MAP = "docs/internals/map.md"
ARCHITECTURE = "ARCHITECTURE.md"


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


def read_map(text):
    """The items of the map: {(folder, stem): line}. The items stand under the heading of their folder."""
    items, complaints, folder = {}, [], None
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{MAP}:{number}"
        if line.startswith("#"):
            heading = re.fullmatch(r"## ([a-z_0-9/]+)", line)
            folder = heading[1] if heading else None
        item = re.match(r"- `([^`]*)`(.*)", line)
        if not item:
            continue
        if folder is None:
            complaints.append(f"{where}: `{item[1]}` stands under no heading; begin its folder with \"## mta/base\"")
        elif (folder, item[1]) in items:
            complaints.append(f"{where}: {folder}/{item[1]} is listed twice; remove one of the two lines")
        else:
            items[folder, item[1]] = number
            if not re.fullmatch(r": \S.*", item[2]):
                complaints.append(f"{where}: an item reads \"- `{item[1]}`: what it is.\"")
    return items, complaints


def unmapped(files, map_text, architecture_text):
    """Each file is an item of the map under its own folder, and each folder a row in ARCHITECTURE.md."""
    items, complaints = read_map(map_text)
    yield from complaints
    known = {(str(Path(name).parent), Path(name).stem) for name in files}
    folders = {folder for folder, stem in known}
    for folder in sorted({folder for folder, stem in items} - folders):
        yield f"{MAP}: there are no files in {folder}; remove its heading and items, or correct its name"
    for folder, stem in sorted(known - items.keys()):
        yield f"{folder}/{stem}: {MAP} has no item for it; add \"- `{stem}`: what it is.\" under \"## {folder}\""
    for folder, stem in sorted(item for item in items.keys() - known if item[0] in folders):
        number = items[folder, stem]
        yield f"{MAP}:{number}: there is no {folder}/{stem}.h or .cc; remove the line, or move it to the file's folder"
    rows = re.findall(r"^\| `((?:mta|queue|dns|conf)(?:/[a-z_0-9]+)*)` \|", architecture_text, re.MULTILINE)
    for folder in sorted(folders - set(rows)):
        yield f"{folder}: {ARCHITECTURE} does not say what it is for; add \"| `{folder}` | ... |\" to the map by folder"
    for folder in sorted(set(rows) - folders):
        yield f"{ARCHITECTURE}: there are no files in `{folder}`; remove its row from the map by folder"
    for folder in sorted(folder for folder in set(rows) if rows.count(folder) > 1):
        yield f"{ARCHITECTURE}: `{folder}` has two rows in the map by folder; remove one of them"


def declared_twice(texts):
    """A type declared in two files of one namespace is undefined behaviour that no compiler and no linker reports."""
    declared = {}
    for name, text in sorted(texts.items()):
        namespace, is_unnamed = "", False
        for line in text.splitlines():
            opening = re.match(r"namespace (\w[\w:]*)? ?\{", line)
            if opening and opening[1]:
                namespace = opening[1]
            is_unnamed = not line.startswith("}  // namespace") and (is_unnamed or bool(opening and not opening[1]))
            of_type = re.match(r"(?:class|struct|enum class)(?: [A-Z_]+(?:\(.*?\))?)* (\w+)(?: final)?(?: : .*)? \{", line)
            if of_type and not is_unnamed:
                declared.setdefault((namespace, of_type[1]), []).append(name)
    for (namespace, of_type), files in sorted(declared.items()):
        if len(set(files)) > 1:
            yield f"{namespace}::{of_type}: declared in {' and '.join(sorted(set(files)))}; rename one of the two"


def main():
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    found = 0
    sources = [name for name in names if re.search(r"^(mta|queue|dns|conf)/.*\.(cc|h)$", name) and Path(name).is_file()]
    texts = {name: Path(name).read_text(encoding="utf-8") for name in (*sources, MAP, ARCHITECTURE)}
    for breach in (*unmapped(sources, texts.pop(MAP), texts.pop(ARCHITECTURE)), *declared_twice(texts)):
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
