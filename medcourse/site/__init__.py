"""The course as a site: pages from executed lessons, labs and records, built by Sphinx, with all they need in them.

`build` is the way in. `tree` writes what Sphinx reads, with `lessons`, `front` and `api` for kinds of pages.
"""
