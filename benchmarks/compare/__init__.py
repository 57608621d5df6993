"""The comparison of all models on all streams: one process and one JSON line for each cell.

    python -m benchmarks.compare --quick       # 4 streams that need no data folder, 8 models, and their table
    python -m benchmarks.compare --jobs 2      # everything in compare.toml; goes on where it stopped
    python -m benchmarks.compare --cell flags "BR kNN" file 0    # one cell again, printed and not written

A cell is a stream, a model, an order of the events and a seed. Its line in results/compare.jsonl holds the command that
computes it again; everything in it but the block "measured" (times, memory, versions) comes out the same each time.
"""
