"""Our own integrations, one module per framework; found through entry points like everybody's."""
