"""The smallest site with websockets: sessions, users, and one view that tells what the process
is doing.
"""
