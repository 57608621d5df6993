"""The numbers on the pages are those of the results on file."""

from benchmarks.readme import PAGES, filled


def test_numbers_come_from_the_results():
    pages = [path.read_text() for path in PAGES]
    assert filled(pages) == pages
