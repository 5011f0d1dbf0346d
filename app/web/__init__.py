"""The web page: one file per page."""
