"""Shipping: the thread that delivers what the journal holds, and whoever delivers what others left."""
