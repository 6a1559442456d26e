"""Reports for people: one page of our own over what the gate, refine and the audit left behind, and GX Data Docs.

Owns what the page says and how it looks. Reads no lake: tables come in, a bounded part of each.
"""
