"""Schedules: when jobs are submitted by themselves."""
