"""`python -m commands`: the same as `floodgate`."""

from commands.main import main

main()
