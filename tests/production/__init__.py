"""A site of any overrides, as gunicorn serves it: which subscriber and which settings count is said by the test."""
