"""Jobs for measuring what a process of its own costs a task."""
