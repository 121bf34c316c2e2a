"""Logged models: what a run left behind as a record of its own, with its files, params and metrics."""
