"""The page that tells of conformance names every test there is, and none that is not."""

from tests.conformance import table
from tests.reference import peers


def test_page_holds_the_table_as_it_is_made_from_the_tests():
    text = table.PAGE.read_text()
    assert text == table.page(text), "run `python -m tests.conformance.table`"


def test_tests_that_stand_elsewhere_are_there():
    for *_, test in table.ELSEWHERE:
        path, name = test.split("::")
        assert f"def {name}(" in (table.HERE.parent / path).read_text()


def test_page_explains_each_known_difference():
    text = table.PAGE.read_text()
    assert [name for name in peers.KNOWN if f"**{name}**" not in text] == []
