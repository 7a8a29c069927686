"""For what this machine cannot do: skipped, and said loudly at the end of the run and by ./dev."""

import pytest

said = []


def untested(what, why):
    sentence = f"{what} NOT TESTED: {why}"
    if sentence not in said:
        said.append(sentence)
    pytest.skip(sentence)
