"""The production form of a test's site: what gunicorn serves, and what the test has of it in its
own process.
"""
