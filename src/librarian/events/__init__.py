"""Word of events to programs elsewhere: webhooks."""
