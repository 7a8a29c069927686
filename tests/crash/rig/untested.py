"""For what this machine cannot do: skipped, and said loudly at the end of the run and by ./dev."""

import subprocess

import pytest

said = []


def untested(what, why):
    sentence = f"{what} NOT TESTED: {why}"
    if sentence not in said:
        said.append(sentence)
    pytest.skip(sentence)


def need_strace(what):
    try:
        probe = subprocess.run(["strace", "-D", "-o", "/dev/null", "true"], capture_output=True, text=True, timeout=20)
        why = probe.stderr.strip() if probe.returncode else None
    except OSError as failure:
        why = str(failure)
    if why:
        untested(what, f"strace does not work here: {why}")
