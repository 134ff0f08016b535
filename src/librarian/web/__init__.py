"""HTTP that the systems share: endpoints, file answers, errors, pages."""
