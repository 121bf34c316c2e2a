"""The registry of models: names that versions are counted under, with stages, aliases, tags, and webhooks on change."""
