"""`python -m gateway` is `crossfade`."""

from gateway.cli.main import main

main()
