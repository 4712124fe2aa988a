"""Why a trade happened and what became of it, in words, from the journal alone. Nothing here is compiled."""
