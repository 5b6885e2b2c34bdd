"""A file or URL becomes an image that reads boxes."""
