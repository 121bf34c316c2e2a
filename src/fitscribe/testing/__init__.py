"""What integrations are tested with, ours and third parties' alike."""
