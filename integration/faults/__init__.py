"""Faults: real training scripts, killed and cut off at random from a real server, lose nothing and repeat nothing."""
