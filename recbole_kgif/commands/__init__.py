"""The commands of the command line, each a module with `run(arguments)`."""
