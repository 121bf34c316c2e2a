"""One migration a file; its name begins with the version it leads to."""
