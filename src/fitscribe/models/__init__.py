"""The model directory: its format, flavors, signature and requirements."""
