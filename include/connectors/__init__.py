"""Sink connectors: `render` makes their configs from contracts, `client` speaks to whatever runs them."""
