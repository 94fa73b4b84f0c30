"""`python -m search`: the same as `deeplab-search`."""

from search.cli import main

main()
