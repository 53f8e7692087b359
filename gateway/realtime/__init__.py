"""Realtime sessions: a caller's WebSocket on one side, a provider's on the other, frames checked on both.

Nothing here is imported before the first session, and nothing of it is on the way of other requests.
"""
