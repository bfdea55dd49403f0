"""A shop's orders: published on commit, from an asynchronous view and by the browser, on a
channel of each tenant.
"""
