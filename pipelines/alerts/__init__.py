"""Telling people of incidents: what is said, the outbox that nothing gets lost from, and the sending.

Decides nothing about incidents: when a person is told is in their record.
"""
