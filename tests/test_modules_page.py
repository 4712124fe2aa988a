"""docs/modules.md lists every module as the registry has it, with the ablation's figures."""

from qt_core.registry import MODULES, SUPPORTS
from research.ablation.modules_page import PAGE, page_with_table, section_of


def test_the_page_is_what_registry_and_ablation_say():
    text = PAGE.read_text()
    assert page_with_table(text) == text, "python -m research.ablation.modules_page writes it anew"


def test_every_built_module_has_a_row_and_a_section():
    text = PAGE.read_text()
    for module in (*MODULES, *SUPPORTS):
        assert f"| {module.name} |" in text
        assert bool(section_of(module)) == (module.kind != "model")
