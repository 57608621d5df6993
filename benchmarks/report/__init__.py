"""The report of the comparison."""
