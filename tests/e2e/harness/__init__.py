"""Posthouse, its peers and its clients as objects that a test starts, asks and stops."""
