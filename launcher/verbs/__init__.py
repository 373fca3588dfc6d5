"""One module for each verb of the command line: `run(settings, options)` returns the exit code."""
