"""The tour: a live board, persisting and expiry, a long task, the loop at work, and how each of
them is tested.
"""
