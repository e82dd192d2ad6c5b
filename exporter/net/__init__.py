"""Connections and ports: what is the same whoever is at the other end."""
