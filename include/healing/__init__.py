"""Healing: what is wrong becomes a plan (restart, replay, the same burst again, redrive) that is carried out."""
