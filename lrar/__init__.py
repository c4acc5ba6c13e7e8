"""lrar: extreme low-resolution action recognition, as a book that anyone can run again."""

__version__ = "0.1.0"
