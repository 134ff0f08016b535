"""HTTP that the systems share: faces, file answers, errors, pages."""
