"""Monitors: a reading becomes a verdict. One file a rule; `judge` is pure, `now` is always an argument.

Three verdicts: fine, firing, blind (could not look, which is never the same as fine).
"""

from include.monitors.verdict import RULES, Kind, Verdict

__all__ = ["RULES", "Kind", "Verdict"]
