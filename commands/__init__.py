"""The `floodgate` command line, a module a family of commands."""
