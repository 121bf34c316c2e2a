"""Dialects: the records in the words of one kind of endpoint."""
