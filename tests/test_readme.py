"""The numbers in the README are those of the results on file."""

from benchmarks.readme import README, filled


def test_numbers_come_from_the_results():
    text = README.read_text()
    assert filled(text) == text
