"""The library inside another Pyramid application: ``config.include("librarian", route_prefix="/lib")``."""
