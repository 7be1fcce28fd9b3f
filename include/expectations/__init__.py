"""Expectations: whether data can be believed. One suite a domain (YAML), one runner, one vocabulary of verdicts."""

from include.expectations.suite import Expectation, Suite, SuiteError, load
from include.expectations.verdict import Failure, GateResult

__all__ = ["Expectation", "Failure", "GateResult", "Suite", "SuiteError", "load"]
