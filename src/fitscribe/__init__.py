"""fitscribe: every training run records itself."""
