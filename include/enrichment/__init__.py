"""Enrichment: what a stream's records tell beyond what they say, produced as a stream of its own, exactly once."""

from include.enrichment.clickstream import Malformed, enrich

__all__ = ["Malformed", "enrich"]
