"""Reading back: what an endpoint answers, as entities, tables and files."""
