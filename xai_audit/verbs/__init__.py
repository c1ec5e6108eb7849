"""One file a verb of the command line: ``main(arguments)`` returns the exit code."""
