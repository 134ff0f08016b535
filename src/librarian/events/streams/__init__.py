"""``GET /events``: the same events as a stream."""
