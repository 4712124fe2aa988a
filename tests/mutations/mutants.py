"""Hand-made mutations of engine, chain and modules, each with the test file that should notice it.

One line of a source is replaced by another that looks just as plausible: a sign turned, ``>`` for ``>=``, a bar too early.
``test_mutants`` asserts that every old text still stands exactly once in its file; ``run`` applies them one by one.
"""

from tests.mutations.of_chain import CHAIN
from tests.mutations.of_entries import ENTRIES
from tests.mutations.of_live import LIVE
from tests.mutations.of_matching import MATCHING
from tests.mutations.of_modules import MODULES
from tests.mutations.of_script import SCRIPTS
from tests.mutations.of_stages import STAGES
from tests.mutations.of_training import TRAINING
from tests.mutations.of_venue import FILLS, LEDGER
from tests.mutations.of_words import WORDS

MUTANTS = (*LEDGER, *FILLS, *MATCHING, *CHAIN, *MODULES, *ENTRIES, *STAGES, *SCRIPTS, *WORDS, *TRAINING, *LIVE)
