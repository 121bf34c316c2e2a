"""What can be said of a run, by kind of thing; `run.py` puts it together."""
