"""The list of mutations fits the sources: ``python -m tests.mutations.run`` can apply each of them."""

import ast
from pathlib import Path

import pytest

import qt_core
from tests.mutations.mutant import Mutant
from tests.mutations.mutants import MUTANTS
from tests.mutations.run import ROOT

SOURCES = Path(qt_core.__file__).parents[1]
HOW = "the source has changed: mend the old text in tests/mutations/mutants.py (or drop the mutation, with another for it)"


def test_there_are_at_least_150_and_no_two_are_the_same():
    assert len(MUTANTS) >= 150
    assert len({(m.file, m.old, m.new) for m in MUTANTS}) == len(MUTANTS)
    assert len({m.what for m in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.what)
def test_the_old_text_stands_exactly_once_and_the_new_one_is_another_program(mutant: Mutant):
    text = (SOURCES / mutant.path).read_text()
    assert text.count(mutant.old) == 1, HOW
    assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(text.replace(mutant.old, mutant.new)))
    assert (ROOT / mutant.killer).is_file(), f"no such test file: {mutant.killer}"
