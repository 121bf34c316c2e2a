"""The journal: records and snapshots on local disk, of living processes and of those that are gone."""
