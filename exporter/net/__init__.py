"""Connections and ports: TLS, proxies, name resolution, serving HTTP."""
