"""Credentials that are more than a text: tokens that expire, and signatures made from keys.

A vendor's own library fetches, in a child of a moment; what serves keeps the result and renews it ahead of its expiry.
"""
