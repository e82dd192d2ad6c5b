"""Every setting: declared once, read, and checked."""
