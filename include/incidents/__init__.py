"""Incidents: verdicts over time. `fold` opens, updates and closes them and says what is to be told; it is pure."""

from include.incidents.book import Book, Change, fold
from include.incidents.incident import Incident, Letter, Silence

__all__ = ["Book", "Change", "Incident", "Letter", "Silence", "fold"]
