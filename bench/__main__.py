"""``python -m bench``: the comparison."""

from bench.cpu_per_request import main

main()
